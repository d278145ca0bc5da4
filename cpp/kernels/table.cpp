// Compiled once per instruction set, with HANDNN_TABLE naming the one symbol that leaves this file.
//
// Everything else in it has internal linkage, so that the linker can never pick, for a function
// that two instruction sets share by name, the one that this CPU cannot run.
#include "table.hpp"

#include "bricks.hpp"
#include "largest.hpp"
#include "matmul.hpp"
#include "peak.hpp"
#include "sums.hpp"

namespace handnn {
namespace {

template <class T>
constexpr Kernels<T> kernels = {matmul_scratch<T>,
                                {
#define HANDNN_ACTIVATION(name, Formula, ...) \
  {elementwise_forward<Formula, T>, elementwise_backward<Formula, T>},
                                    HANDNN_ACTIVATIONS(HANDNN_ACTIVATION)
#undef HANDNN_ACTIVATION
                                },
                                {
#define HANDNN_LOSS(name, Loss, ...) {Loss::template forward<T>, Loss::template backward<T>},
                                    HANDNN_LOSSES(HANDNN_LOSS)
#undef HANDNN_LOSS
                                },
                                {
#define HANDNN_OPTIMIZER(name, Formula, ...) update<Formula, T>,
                                    HANDNN_OPTIMIZERS(HANDNN_OPTIMIZER)
#undef HANDNN_OPTIMIZER
                                },
#define HANDNN_ENTRY(result, name, arguments) name<T>,
                                HANDNN_KERNELS(HANDNN_ENTRY)
#undef HANDNN_ENTRY
};

}  // namespace

extern const KernelTable HANDNN_TABLE;
const KernelTable HANDNN_TABLE = {kernels<float>, kernels<double>};

}  // namespace handnn
