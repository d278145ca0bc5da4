// The list of kernels, one entry each. table.cpp compiles it once for every instruction set;
// dispatch.hpp chooses one table.
//
// A new kernel is an entry here and an #include in table.cpp; a new activation,
// loss or optimizer is one line and one #include.
#pragma once

#include <cstdint>
#include <string_view>

#include "arguments.hpp"
#include "losses/options.hpp"
#include "optimizers/rates.hpp"
#include "size.hpp"

namespace handnn {

// clang-format off

// The activations: name, formula (see elementwise.hpp), the array of the forward pass that backward
// needs, the name of the setting or "", and the cost of an entry in multiply-adds.
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

// The losses: name, kernels (see losses/loss.hpp), the divisor of the slopes, the valid targets,
// the number of columns of pre per column of y_true, and the names of the setting and of the list
// of numbers, or "".
#define HANDNN_LOSSES(LOSS) \
  LOSS(mse_loss, MSELoss, halves, numbers, one, "", "") \
  LOSS(mae, MAE, entries, numbers, one, "", "") \
  LOSS(huber, Huber, entries, numbers, one, "delta", "") \
  LOSS(quantile, Quantile, entries, numbers, one_a_number, "", "quantiles") \
  LOSS(bce_with_logits, BCEWithLogits, entries, probabilities, one, "", "") \
  LOSS(poisson_nll, PoissonNLL, entries, counts, one, "", "") \
  LOSS(gaussian_nll, GaussianNLL, halves, numbers, two, "", "") \
  LOSS(softmax_cross_entropy, SoftmaxCrossEntropy, rows, classes, one, "label_smoothing", \
       "class_weight")

// The optimizers: name, formula (see optimizers/update.hpp), the names of the two states, the names
// of the decays of the running means of gradients and of their squares, or "", and whether the bias
// of these means is corrected.
#define HANDNN_OPTIMIZERS(OPTIMIZER) \
  OPTIMIZER(sgd, SGD, "velocity", "", "momentum", "", false) \
  OPTIMIZER(adagrad, AdaGrad, "square", "", "", "", false) \
  OPTIMIZER(rmsprop, RMSProp, "square", "velocity", "momentum", "alpha", false) \
  OPTIMIZER(adam, Adam, "mean", "square", "beta1", "beta2", true)

#define HANDNN_KERNELS(KERNEL) \
  KERNEL(void, affine_forward, (T* out, const T* x, const T* w, const T* b, T* scratch, \
                                Size N, Size I, Size O)) \
  KERNEL(void, affine_relu_forward, (ReLUOutput<T> to, const T* x, const T* w, const T* b, T* scratch, \
                                     Size N, Size I, Size O)) \
  KERNEL(void, relu_affine_dx, (T* dx, const T* dout, const T* w, const Signs* negative, T* scratch, \
                                Size N, Size I, Size O)) \
  KERNEL(void, affine_backward, (AffineGrads<T> grads, const T* dout, const T* x, const T* w, \
                                 T* scratch, Size N, Size I, Size O)) \
  KERNEL(void, affine_dparams, (T* dw, T* db, const T* dout, const T* x, T* scratch, \
                                Size N, Size I, Size O)) \
  KERNEL(void, binned_affine_forward, (T* out, const T* x, const T* w, const T* b, Bins bins, \
                                       T* scratch, Size N, Size O)) \
  KERNEL(void, binned_affine_dw, (T* dw, const T* dout, const T* x, const T* db, SomeBins of, \
                                  T* scratch, Size N, Size O)) \
  KERNEL(void, matmul_tn, (T* dw, const T* x, const T* dout, T* scratch, Size N, Size I, Size O, \
                           Summing how)) \
  KERNEL(void, matmul_nt, (T* dx, const T* dout, const T* w, T* scratch, Size N, Size I, Size O)) \
  KERNEL(void, column_sums, (T* db, const T* dout, Size N, Size O, bool adds)) \
  KERNEL(void, softmax_forward, (T* out, const T* x, Size N, Size O)) \
  KERNEL(void, softmax_backward, (T* dx, const T* dout, const T* out, Size N, Size O)) \
  KERNEL(void, layer_norm_forward, (T* out, T* mean, T* rstd, const T* x, NormParams<T> params, \
                                    Size N, Size O)) \
  KERNEL(void, layer_norm_dx, (T* dx, const T* dout, const T* x, const T* gamma, const T* mean, \
                               const T* rstd, Size N, Size O)) \
  KERNEL(void, layer_norm_dparams, (NormGrads<T> grads, const T* dout, const T* x, const T* mean, \
                                    const T* rstd, Size N, Size O, Range columns)) \
  KERNEL(void, batch_norm_statistics, (T* mean, T* var, const T* x, Size N, Size O, \
                                       Range columns)) \
  KERNEL(void, batch_norm_merge, (T* mean, T* var, const T* more_mean, const T* more_var, T w, \
                                  Range columns)) \
  KERNEL(void, batch_norm_update, (T* running_mean, T* running_var, const T* mean, const T* var, \
                                   T momentum, Size N, Range columns)) \
  KERNEL(void, batch_norm_forward, (T* out, const T* x, ColumnNorm<T> norm, Size N, Size O, \
                                    Range columns)) \
  KERNEL(void, batch_norm_backward, (T* dx, NormGrads<T> grads, const T* dout, const T* x, \
                                     ColumnNorm<T> norm, Size N, Size O, Range columns)) \
  KERNEL(void, batch_norm_dx, (T* dx, const T* dout, const T* x, ColumnNorm<T> norm, \
                               BatchGrads<T> grads, Size N, Size O, Range columns)) \
  KERNEL(void, dropout_forward, (T* out, const T* x, std::uint64_t seed, std::uint64_t step, \
                                 double p, Size first, Size n)) \
  KERNEL(void, dropout_backward, (T* dx, const T* dout, std::uint64_t seed, std::uint64_t step, \
                                  double p, Size first, Size n)) \
  KERNEL(void, add, (T* out, const T* a, const T* b, Size n)) \
  KERNEL(void, multiply, (T* out, const T* a, const T* b, Size n)) \
  KERNEL(double, sum_of_squares, (const T* x, Size n)) \
  KERNEL(void, largest_columns, (Size* columns, const T* x, Size N, Size O)) \
  KERNEL(double, fma_chains, (T* sink, Size turns, int form))
// clang-format on

// The number of forms of fma_chains.
inline constexpr int fma_forms = 5;

enum class Activation {
#define HANDNN_NAME(name, ...) name,
  HANDNN_ACTIVATIONS(HANDNN_NAME)
#undef HANDNN_NAME
};

// The array of the forward pass that an activation's backward needs.
enum class Kept { x, out };

// Static facts about an activation.
struct ActivationFacts {
  const char* name;
  Kept kept;
  const char* setting;  // "" for none
  double cost;          // cost of an entry, in multiply-adds
};
inline constexpr ActivationFacts activation_facts[] = {
#define HANDNN_FACTS(name, formula, kept, setting, cost) {#name, Kept::kept, setting, cost},
    HANDNN_ACTIVATIONS(HANDNN_FACTS)
#undef HANDNN_FACTS
};
inline constexpr int activation_count = int(sizeof activation_facts / sizeof activation_facts[0]);

template <class T>
struct ActivationKernels {
  void (*forward)(T* out, const T* x, T setting, Size n);                    // out may be x
  void (*backward)(T* dx, const T* dout, const T* kept, T setting, Size n);  // dx may be dout
  // Both from one computation, or null; slope may be x. dx is the product of dout and slope.
  void (*out_and_slope)(T* out, T* slope, const T* x, T setting, Size n);
};

// The divisor for pre (N, O): N O; N O / 2, for the slope of a square or if half of the columns of
// pre are targets; or N.
enum class Divisor { entries, halves, rows };
// Valid targets: any numbers; probabilities from 0 to 1; non-negative numbers; labels, or
// rows of probabilities that add up to 1.
enum class Target { numbers, probabilities, counts, classes };

// The columns of pre for one of y_true; one_a_number: one for each of the loss's numbers.
enum class Columns { one, two, one_a_number };

enum class Loss {
#define HANDNN_NAME(name, ...) name,
  HANDNN_LOSSES(HANDNN_NAME)
#undef HANDNN_NAME
};

struct LossFacts {
  const char* name;
  Divisor divisor;
  Target target;
  Columns columns;
  const char *setting, *numbers;  // "" for none

  // The factor of the slopes.
  double slope_scale(Size N, Size O) const {
    const double entries = double(N) * double(O);
    return divisor == Divisor::entries  ? 1 / entries
           : divisor == Divisor::halves ? 2 / entries
                                        : 1 / double(N);
  }
};
inline constexpr LossFacts loss_facts[] = {
#define HANDNN_FACTS(name, kernels, divisor, target, columns, setting, numbers) \
  {#name, Divisor::divisor, Target::target, Columns::columns, setting, numbers},
    HANDNN_LOSSES(HANDNN_FACTS)
#undef HANDNN_FACTS
};
inline constexpr int loss_count = int(sizeof loss_facts / sizeof loss_facts[0]);

template <class T>
struct LossKernels {
  double (*forward)(const T* pre, const T* y_true, const T* weight, const LossOptions<T>& with,
                    Size N, Size O);
  void (*backward)(T* dx, const T* pre, const T* y_true, const T* weight,
                   const LossOptions<T>& with, T scale, Size N, Size O);
  // Both in one pass (see losses/loss.hpp), or null.
  void (*add_and_backward)(SumsAndSlopes<T> to, const T* pre, const T* y_true, const T* weight,
                           const LossOptions<T>& with, T scale, Size N, Size O);
  double (*mean)(double* sums, Size N, Size O);
  bool is_in_place;  // whether add_and_backward allows dx to be pre
};

enum class Optimizer {
#define HANDNN_NAME(name, ...) name,
  HANDNN_OPTIMIZERS(HANDNN_NAME)
#undef HANDNN_NAME
};

// Static facts about an optimizer. A name is "" if the optimizer has no such state or decay.
struct OptimizerFacts {
  const char* name;
  const char* states[2];
  const char *mean_decay, *square_decay;
  bool corrects_bias;
  // Whether there is always a state i: all but a velocity, which is not kept without momentum.
  bool always_keeps(int i) const { return *states[i] && std::string_view(states[i]) != "velocity"; }
};
inline constexpr OptimizerFacts optimizer_facts[] = {
#define HANDNN_FACTS(name, formula, state_0, state_1, mean_decay, square_decay, corrects_bias) \
  {#name, {state_0, state_1}, mean_decay, square_decay, corrects_bias},
    HANDNN_OPTIMIZERS(HANDNN_FACTS)
#undef HANDNN_FACTS
};
inline constexpr int optimizer_count = int(sizeof optimizer_facts / sizeof optimizer_facts[0]);

template <class T>
using Update = void (*)(T* param, T* state_0, T* state_1, const T* grad, const Rates<T>& rates,
                        Size n);

template <class T>
using UpdateFromRows = void (*)(ParamArrays<T> w, FewRows<T> from, const Rates<T>& rates, Size I,
                                Size O);
template <class T>
using UpdateAndForward = void (*)(ParamArrays<T> w, const T* x, const T* dout, NextRow<T> next,
                                  const Rates<T>& rates, Size I, Size O);

// Training steps of a network of one affine (small_steps.hpp), by optimizer or null, with up to
// `outputs` outputs.
template <class T>
struct SmallSteps {
  Size outputs;
  Size (*by[optimizer_count])(const SmallAffine<T>& of, const SmallBatches<T>& batches, T scale,
                              Size steps, double& total);
};

// The largest number of affines of a small network.
constexpr int small_layers = 4;

// The largest numbers of affines of a tiny network (tiny_steps.hpp), of rows of each w, or columns
// if those are fewer, and of outputs of a batch.
constexpr int tiny_layers = small_layers, tiny_rows = 2, tiny_entries = 16;

// The largest number of inputs and outputs of an affine in a small network, and of entries of the
// outputs of a batch.
constexpr Size small_width = 16, small_entries = 64;

// The activation after an affine; none after the last one.
enum class SmallActivation { none, relu, sigmoid, gelu, other };

// An affine of I inputs and O outputs in a small network, and the activation after it. Its w is
// stored in rows, or in columns if those are longer, `row` apart: whole vectors, as b. Likewise dw
// and db. Rows of (N, O) are `apart` apart, and have space for a vector more after the last one.
template <class T>
struct SmallLayer {
  Size I, O, row, apart;
  bool is_column;
  SmallActivation kind;
  T *w, *b, *dw, *db;
  T *pre, *out, *dout, *slope;             // (N, O)
  const T* kept;                           // pre or out
  const ActivationKernels<T>* activation;  // null after the last affine
  T setting;

  Size few() const { return is_column ? O : I; }  // rows or columns that are stored
};
template <class T>
struct SmallNetwork {
  int count;  // affines
  SmallLayer<T> layers[small_layers];
  const LossKernels<T>* loss;  // has add_and_backward
  const LossOptions<T>* options;
  bool is_mse, are_labels;  // MSELoss, or SoftmaxCrossEntropy of plain labels
  double* sums;
  T* scratch;
  Update<T> update;       // null for SGD without momentum, weight decay and clipping
  Size size;              // of all params
  T *params, *states[2];  // params and gradients (2, size), states (size) or null
};
// Takes up to `steps` steps with these rates (small_network.hpp, tiny_steps.hpp, thin_steps.hpp).
template <class T>
using NetworkSteps = Size (*)(const SmallNetwork<T>& net, const SmallBatches<T>& batches,
                              const Rates<T>& rates, T scale, Size steps, double& total);
// With vectors of `lanes`; null if they do not pay off.
template <class T>
struct SmallNetworkKernels {
  Size lanes;
  NetworkSteps<T> steps;
  // By the number of affines; whether each w is one row or column; whether there are only ReLUs and
  // MSELoss. Some are null: their code is not worth its size.
  NetworkSteps<T> tiny_steps[tiny_layers][2][2];
  NetworkSteps<T> thin_steps[small_layers];  // by the number of affines, or null
};

template <class T>
struct Kernels {
  Size scratch_size;  // number of elements of `scratch`
  ActivationKernels<T> activations[activation_count];
  LossKernels<T> losses[loss_count];
  Update<T> updates[optimizer_count];
  UpdateFromRows<T> updates_from_rows[optimizer_count];
  UpdateAndForward<T> updates_and_forward[optimizer_count];  // or null
  SmallSteps<T> small_steps;
  SmallNetworkKernels<T> small_network;
#define HANDNN_MEMBER(result, name, arguments) result(*name) arguments;
  HANDNN_KERNELS(HANDNN_MEMBER)
#undef HANDNN_MEMBER
};

struct KernelTable {
  Kernels<float> float32;
  Kernels<double> float64;
};

}  // namespace handnn
