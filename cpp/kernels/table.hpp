// The list of kernels, one entry each. table.cpp compiles it once for every instruction set;
// dispatch.hpp chooses one table.
//
// A new kernel is an entry here and an #include in table.cpp; a new activation or
// optimizer is one line and one #include.
#pragma once

#include "optimizers/rates.hpp"
#include "size.hpp"

namespace handnn {

// clang-format off

// The bricks that work entry by entry: the brick's word, its formula (see elementwise.hpp), what
// its backward needs of the forward, the name of its setting or "", and about how many
// multiply-adds an entry is worth.
#define HANDNN_ACTIVATIONS(ACTIVATION) \
  ACTIVATION(relu, ReLU, x, "", 1) \
  ACTIVATION(leaky_relu, LeakyReLU, x, "slope", 1) \
  ACTIVATION(sigmoid, Sigmoid, out, "", 8) \
  ACTIVATION(tanh, Tanh, out, "", 8) \
  ACTIVATION(elu, ELU, out, "alpha", 8) \
  ACTIVATION(silu, SiLU, x, "", 8) \
  ACTIVATION(softplus, Softplus, x, "", 16) \
  ACTIVATION(gelu, GELU, x, "", 16) \
  ACTIVATION(gelu_tanh, GELUTanh, x, "", 10)

// The optimizers: word, formula (see optimizers/update.hpp), and the names of the states it keeps.
#define HANDNN_OPTIMIZERS(OPTIMIZER) \
  OPTIMIZER(sgd, SGD, "velocity", "") \
  OPTIMIZER(adagrad, AdaGrad, "square", "") \
  OPTIMIZER(rmsprop, RMSProp, "square", "velocity") \
  OPTIMIZER(adam, Adam, "mean", "square")

#define HANDNN_KERNELS(KERNEL) \
  KERNEL(void, affine_forward, (T* out, const T* x, const T* w, const T* b, T* scratch, \
                                Size N, Size I, Size O)) \
  KERNEL(void, affine_backward, (T* dx, T* dw, T* db, const T* dout, const T* x, const T* w, \
                                 T* scratch, Size N, Size I, Size O)) \
  KERNEL(void, matmul_tn, (T* dw, const T* x, const T* dout, T* scratch, Size N, Size I, Size O, \
                           Size x_row)) \
  KERNEL(void, matmul_nt, (T* dx, const T* dout, const T* w, T* scratch, Size N, Size I, Size O)) \
  KERNEL(void, column_sums, (T* db, const T* dout, Size N, Size O)) \
  KERNEL(void, softmax_forward, (T* out, const T* x, Size N, Size O)) \
  KERNEL(void, softmax_backward, (T* dx, const T* dout, const T* out, Size N, Size O)) \
  KERNEL(void, layer_norm_forward, (T* out, T* mean, T* rstd, const T* x, const T* gamma, \
                                    const T* beta, T eps, Size N, Size O)) \
  KERNEL(void, layer_norm_dx, (T* dx, const T* dout, const T* x, const T* gamma, const T* mean, \
                               const T* rstd, Size N, Size O)) \
  KERNEL(void, layer_norm_dparams, (T* dgamma, T* dbeta, const T* dout, const T* x, const T* mean, \
                                    const T* rstd, Size N, Size O, Size first, Size last)) \
  KERNEL(void, batch_norm_statistics, (T* mean, T* var, const T* x, Size N, Size O, Size first, \
                                       Size last)) \
  KERNEL(void, batch_norm_update, (T* running_mean, T* running_var, const T* mean, const T* var, \
                                   T momentum, Size N, Size first, Size last)) \
  KERNEL(void, batch_norm_forward, (T* out, const T* x, const T* gamma, const T* beta, \
                                    const T* mean, const T* var, T eps, Size N, Size O, \
                                    Size first, Size last)) \
  KERNEL(void, batch_norm_backward, (T* dx, T* dgamma, T* dbeta, const T* dout, const T* x, \
                                     const T* gamma, const T* mean, const T* var, T eps, \
                                     bool training, Size N, Size O, Size first, Size last)) \
  KERNEL(double, mse_loss_forward, (const T* pre, const T* y_true, const T* weight, \
                                    Size N, Size O)) \
  KERNEL(void, mse_loss_backward, (T* dx, const T* pre, const T* y_true, const T* weight, T scale, \
                                   Size N, Size O)) \
  KERNEL(double, sum_of_squares, (const T* x, Size n)) \
  KERNEL(double, fma_chains, (T* sink, Size turns))
// clang-format on

// What is known of an activation without computing.
struct ActivationFacts {
  const char* name;
  const char* kept;     // what its backward needs: "x" or "out"
  const char* setting;  // "" for none
  double cost;          // of an entry, in multiply-adds
};
inline constexpr ActivationFacts activation_facts[] = {
#define HANDNN_FACTS(name, formula, kept, setting, cost) {#name, #kept, setting, cost},
    HANDNN_ACTIVATIONS(HANDNN_FACTS)
#undef HANDNN_FACTS
};
inline constexpr int activation_count = int(sizeof activation_facts / sizeof activation_facts[0]);

template <class T>
struct ActivationKernels {
  void (*forward)(T* out, const T* x, T setting, Size n);
  void (*backward)(T* dx, const T* dout, const T* kept, T setting, Size n);  // dx may be dout
};

struct OptimizerFacts {
  const char* name;
  const char* states[2];  // "" for none
};
inline constexpr OptimizerFacts optimizer_facts[] = {
#define HANDNN_FACTS(name, formula, state_0, state_1) {#name, {state_0, state_1}},
    HANDNN_OPTIMIZERS(HANDNN_FACTS)
#undef HANDNN_FACTS
};
inline constexpr int optimizer_count = int(sizeof optimizer_facts / sizeof optimizer_facts[0]);

template <class T>
using Update = void (*)(T* param, T* state_0, T* state_1, const T* grad, const Rates<T>& rates,
                        Size n);

template <class T>
struct Kernels {
  Size scratch_size;  // how many elements `scratch` needs
  ActivationKernels<T> activations[activation_count];
  Update<T> updates[optimizer_count];
#define HANDNN_MEMBER(result, name, arguments) result(*name) arguments;
  HANDNN_KERNELS(HANDNN_MEMBER)
#undef HANDNN_MEMBER
};

struct KernelTable {
  Kernels<float> float32;
  Kernels<double> float64;
};

}  // namespace handnn
