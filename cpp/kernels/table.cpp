// Compiled once per instruction set. HANDNN_TABLE names the only exported symbol.
//
// Everything else has internal linkage. Otherwise the linker could merge functions of the same name
// and keep the copy of an instruction set that this CPU does not have.
#include "table.hpp"

#include <type_traits>

#include "affine_relu.hpp"
#include "bricks.hpp"
#include "largest.hpp"
#include "matmul.hpp"
#include "peak.hpp"
#include "small_network.hpp"
#include "small_steps.hpp"
#include "sums.hpp"
#include "thin_steps.hpp"
#include "tiny_steps.hpp"

namespace handnn {
namespace {

template <class Formula, class T>
constexpr ActivationKernels<T> activation_kernels() {
  ActivationKernels<T> kernels = {elementwise_forward<Formula, T>, elementwise_backward<Formula, T>,
                                  nullptr};
  if constexpr (has_slope<Formula>) kernels.out_and_slope = out_and_slope<Formula, T>;
  return kernels;
}

// The kernels of a loss; add_and_backward and mean are null if it does not have them.
template <class Loss, class T>
constexpr LossKernels<T> loss_kernels() {
  LossKernels<T> kernels = {Loss::template forward<T>, Loss::template backward<T>, nullptr, nullptr,
                            false};
  if constexpr (requires { Loss::template add_and_backward<T>; }) {
    kernels.add_and_backward = Loss::template add_and_backward<T>;
    kernels.mean = Loss::mean;
    kernels.is_in_place = Loss::is_in_place;
  }
  return kernels;
}

// The most common optimizers have small steps; the code takes several kilobytes for each.
template <class Formula, class T>
constexpr decltype(&small_steps<SGD, T>) small_steps_by() {
  if constexpr (std::is_same_v<Formula, SGD> || std::is_same_v<Formula, Adam>) {
    return small_steps<Formula, T>;
  } else {
    return nullptr;
  }
}
template <class T>
constexpr SmallSteps<T> all_small_steps() {
  if constexpr (!has_small_steps) {
    return {};
  } else {
    return {lanes<T>,
            {
#define HANDNN_OPTIMIZER(name, Formula, ...) small_steps_by<Formula, T>(),
                HANDNN_OPTIMIZERS(HANDNN_OPTIMIZER)
#undef HANDNN_OPTIMIZER
            }};
  }
}

template <class T>
constexpr SmallNetworkKernels<T> small_network_kernels() {
  if constexpr (!has_small_steps) {
    return {};
  } else {
    return {lanes<T>,
            small_network<T>,
            {{{nullptr, tiny_steps<1, false, true, T>}, {nullptr, tiny_steps<1, true, true, T>}},
             {{tiny_steps<2, false, false, T>, tiny_steps<2, false, false, T>},
              {tiny_steps<2, false, false, T>, tiny_steps<2, true, true, T>}},
             {{tiny_steps<3, false, false, T>, tiny_steps<3, false, false, T>},
              {tiny_steps<3, false, false, T>, tiny_steps<3, true, true, T>}},
             {{}, {tiny_steps<4, true, false, T>, tiny_steps<4, true, false, T>}}},
            {thin_steps<1, T>, thin_steps<2, T>, thin_steps<3, T>, thin_steps<4, T>}};
  }
}

// For the common optimizers only, to keep the library small.
template <class Formula, class T>
constexpr UpdateAndForward<T> update_and_forward_of() {
  if constexpr (has_fma && std::is_same_v<Formula, SGD>) return sgd_and_forward<T>;
  if constexpr (has_fma && Formula::is_common) return update_and_forward<Formula, T>;
  return nullptr;
}

template <class T>
constexpr Kernels<T> kernels = {matmul_scratch<T>,
                                {
#define HANDNN_ACTIVATION(name, Formula, ...) activation_kernels<Formula, T>(),
                                    HANDNN_ACTIVATIONS(HANDNN_ACTIVATION)
#undef HANDNN_ACTIVATION
                                },
                                {
#define HANDNN_LOSS(name, Loss, ...) loss_kernels<Loss, T>(),
                                    HANDNN_LOSSES(HANDNN_LOSS)
#undef HANDNN_LOSS
                                },
                                {
#define HANDNN_OPTIMIZER(name, Formula, ...) update<Formula, T>,
                                    HANDNN_OPTIMIZERS(HANDNN_OPTIMIZER)
#undef HANDNN_OPTIMIZER
                                },
                                {
#define HANDNN_OPTIMIZER(name, Formula, ...) update_from_rows<Formula, T>,
                                    HANDNN_OPTIMIZERS(HANDNN_OPTIMIZER)
#undef HANDNN_OPTIMIZER
                                },
                                {
#define HANDNN_OPTIMIZER(name, Formula, ...) update_and_forward_of<Formula, T>(),
                                    HANDNN_OPTIMIZERS(HANDNN_OPTIMIZER)
#undef HANDNN_OPTIMIZER
                                },
                                all_small_steps<T>(),
                                small_network_kernels<T>(),
#define HANDNN_ENTRY(result, name, arguments) name<T>,
                                HANDNN_KERNELS(HANDNN_ENTRY)
#undef HANDNN_ENTRY
};

}  // namespace

extern const KernelTable HANDNN_TABLE;
const KernelTable HANDNN_TABLE = {kernels<float>, kernels<double>};

}  // namespace handnn
