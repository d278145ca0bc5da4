// Compiled once per instruction set, with HANDNN_TABLE naming the one symbol that leaves this file.
//
// Everything else in it has internal linkage, so that the linker can never pick, for a function
// that two instruction sets share by name, the one that this CPU cannot run.
#include "table.hpp"

#include "largest.hpp"
#include "layers/affine.hpp"
#include "layers/batch_norm.hpp"
#include "layers/dropout.hpp"
#include "layers/elu.hpp"
#include "layers/embedding.hpp"
#include "layers/gelu.hpp"
#include "layers/layer_norm.hpp"
#include "layers/leaky_relu.hpp"
#include "layers/relu.hpp"
#include "layers/residual.hpp"
#include "layers/sigmoid.hpp"
#include "layers/silu.hpp"
#include "layers/softmax.hpp"
#include "layers/softplus.hpp"
#include "layers/tanh.hpp"
#include "losses/bce_with_logits.hpp"
#include "losses/gaussian_nll.hpp"
#include "losses/huber.hpp"
#include "losses/mae.hpp"
#include "losses/mse_loss.hpp"
#include "losses/poisson_nll.hpp"
#include "losses/quantile.hpp"
#include "losses/softmax_cross_entropy.hpp"
#include "matmul.hpp"
#include "optimizers/adagrad.hpp"
#include "optimizers/adam.hpp"
#include "optimizers/rmsprop.hpp"
#include "optimizers/sgd.hpp"
#include "peak.hpp"
#include "sums.hpp"

namespace handnn {
namespace {

template <class T>
constexpr Kernels<T> kernels = {matmul_scratch<T>,
                                {
#define HANDNN_ACTIVATION(name, Formula, kept, setting, cost) \
  {elementwise_forward<Formula, T>, elementwise_backward<Formula, T>},
                                    HANDNN_ACTIVATIONS(HANDNN_ACTIVATION)
#undef HANDNN_ACTIVATION
                                },
                                {
#define HANDNN_LOSS(name, Loss, divisor, target, columns, setting, numbers) \
  {Loss::template forward<T>, Loss::template backward<T>},
                                    HANDNN_LOSSES(HANDNN_LOSS)
#undef HANDNN_LOSS
                                },
                                {
#define HANDNN_OPTIMIZER(name, Formula, state_0, state_1) update<Formula, T>,
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
