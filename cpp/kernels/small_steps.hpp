// Training steps of a network of one affine with few inputs and outputs, with MSELoss or
// SoftmaxCrossEntropy of labels, on few rows.
//
// Calling a kernel for each part of such a step takes several times as long as the arithmetic, so
// one call takes many steps. Each row of w, and b, is a vector in a register or on the stack; its
// lanes beyond the outputs are computed, but not used.
#pragma once

#include "few_steps.hpp"
#include "losses/mse_loss.hpp"
#include "losses/softmax_cross_entropy.hpp"
#include "optimizers/update.hpp"

namespace handnn {
namespace {

// CPUs without FMA are too old to get code of their own. With vectors of 64 bytes the steps take
// longer, so AVX-512 uses those of AVX2 (dispatch.cpp).
constexpr bool has_small_steps = has_fma && vector_bytes < 64;

// A row of w, or b, and its states.
template <class T>
struct SmallRow {
  Vector<T> param, state_0, state_1;
};

template <class T>
inline SmallRow<T> load_small(const ParamArrays<T>& from, Size at, First<T> first) {
  const auto row = [&](const T* array) { return array ? load(array + at, first) : Vector<T>{}; };
  return {row(from.param), row(from.state_0), row(from.state_1)};
}
template <class T>
inline void store_small(const ParamArrays<T>& to, Size at, Size O, const SmallRow<T>& row) {
  for_each_vector<T>(O, [&](auto lane) {  // one vector
    lane.store(to.param + at, row.param);
    if (to.state_0) lane.store(to.state_0 + at, row.state_0);
    if (to.state_1) lane.store(to.state_1 + at, row.state_1);
  });
}

// Adds the squares of n errors to the partial sums of a loss.
template <class T>
__attribute__((noinline)) void add_squares_of(double* sums, const T* errors, Size n) {
  add_squares(
      sums, n, [&](Size i) { return load_double_lanes(errors + i); },
      [&](Size i) { return errors[i]; });
}
// MSELoss of n errors.
template <class T>
__attribute__((noinline)) double mean_of_squares(const T* errors, Size n) {
  double sums[partial_sums] = {};
  add_squares_of(sums, errors, n);
  return MSELoss::mean(sums, n, 1);
}
template <class T>
inline double mean_of_few_squares(const T* errors, Size n) {
  const auto square = [&](Size i) { return i < n ? double(errors[i]) * double(errors[i]) : 0; };
  if (n > 4) return mean_of_squares(errors, n);
  return ((square(0) + square(2)) + (square(1) + square(3))) / double(n);
}

// Combines the first n lanes: those that are half of the lanes apart, then a quarter, and so on, as
// add_pairwise adds partial sums. Lanes beyond them must not change a result. It is in every lane.
template <class T, int half = lanes<T> / 2, class F>
inline Vector<T> all_lanes(Vector<T> v, Size n, F combine) {
  Int<Vector<T>> other;
  if constexpr (half == 1) {
    for (int i = 0; i < lanes<T>; ++i) other[i] = 1;
    return combine(permuted(v, Int<Vector<T>>{}), permuted(v, other));
  } else {
    for (int i = 0; i < lanes<T>; ++i) other[i] = i ^ half;
    if (n > half) v = combine(v, permuted(v, other));
    return all_lanes<T, half / 2>(v, n, combine);
  }
}

// SoftmaxCrossEntropy of a row with a label, without smoothing and class weights: sets `loss`
// and returns the slopes.
template <class T>
__attribute__((noinline)) Vector<T> small_cross_entropy(double& loss, Vector<T> out, T y_true,
                                                        T scale, Size O) {
  using V = Vector<T>;
  const Size label = y_true >= 0 && y_true < T(O) ? Size(y_true) : 0;
  const V most = all_lanes<T>(with_rest<T>(out, constant<V>(-__builtin_inf()), O), O,
                              [](V a, V b) { return at_least(a, b); });
  const V exps = with_rest<T>(exp(out - most), V{}, O);
  const V sum = all_lanes<T>(exps, O, [](V a, V b) { return a + b; });
  T pre[lanes<T>];
  store(pre, out - most);
  loss = double(log(sum[0]) - pre[label]);
  const V target = with_rest<T>(V{}, with_rest<T>(splat(scale), V{}, label + 1), label);
  return exps / sum * splat(scale) - target;
}

// The param after a step of SGD without momentum and weight decay: `nothing` is what these add to
// the gradient, which matters for -0, infinity and NaN.
template <class V>
inline V plain_sgd(V param, V grad, V lr) {
  const V nothing = V{} * param + V{};
  return fma(-lr, grad + nothing, param);
}

// Updates a row. A state that the optimizer does not keep is 0 in every step.
template <class Formula, class T>
inline void update_small(SmallRow<T>& row, const ParamArrays<T>& of, Vector<T> grad,
                         const Rates<Vector<T>>& rates) {
  if (!of.state_0) row.state_0 = Vector<T>{};
  if (!of.state_1) row.state_1 = Vector<T>{};
  Formula::step(row.param, row.state_0, row.state_1, prepared<false>(grad, row.param, rates),
                rates);
}

// Sets the rates of step number `step`, if they change from step to step.
template <class T>
inline void set_corrected(Rates<Vector<T>>& w, Rates<Vector<T>>& b, const SmallBatches<T>& of,
                          Size step) {
  if (!of.corrected) return;
  const CorrectedRates<T>& corrected = of.corrected[step];
  w.lr = splat(corrected.w_lr);
  b.lr = splat(corrected.b_lr);
  w.square_correction = b.square_correction = splat(corrected.square_correction);
}

// small_steps for one output and MSELoss: a vector holds the weights of several inputs.
template <class Formula, class T>
Size small_column_steps(const SmallAffine<T>& of, const SmallBatches<T>& batches, T scale,
                        Size steps, double& total) {
  constexpr Size L = lanes<T>, most = small_inputs / L + 1;
  const Size I = of.I, N = batches.N, V = (I + L - 1) / L;
  const First<T> one(1), last(I - (V - 1) * L);
  const auto load_part = [&](const T* row, Size v) {
    return v + 1 < V ? load(row + v * L) : load(row + v * L, last);
  };
  SmallRow<T> w[most], b = load_small(of.b, 0, one);
  HANDNN_ROLL
  for (Size v = 0; v < V; ++v) {
    w[v] = load_small(of.w, v * L, v + 1 < V ? First<T>(L) : last);
  }
  Rates<Vector<T>> w_rates = splat(*of.w_rates), b_rates = splat(*of.b_rates);
  double sum = total;
  Size step = 0;
  for (; step < steps; ++step) {
    alignas(64) T weights[most * L], errors[small_rows];
    Vector<T> grads[most] = {}, grad{};
    HANDNN_ROLL
    for (Size v = 0; v < V; ++v) store(weights + v * L, w[v].param);
    HANDNN_ROLL
    for (Size n = 0; n < N; ++n) {
      const Size at = step * N + n, row = batches.order ? batches.order[at] : at;
      const T* x = batches.x + row * I;
      T out = b.param[0];
      for (Size i = 0; i < I; ++i) out = fma(x[i], weights[i], out);
      errors[n] = out - batches.y_true[row];
      const Vector<T> dout = splat(errors[n] * scale);
      grad += dout;
      HANDNN_ROLL
      for (Size v = 0; v < V; ++v) grads[v] = fma(load_part(x, v), dout, grads[v]);
    }
    const double loss = mean_of_few_squares(errors, N);
    sum += double(N) * loss;
    if (!__builtin_isfinite(sum)) break;
    set_corrected(w_rates, b_rates, batches, step);
    update_small<Formula>(b, of.b, grad, b_rates);
    HANDNN_ROLL
    for (Size v = 0; v < V; ++v) update_small<Formula>(w[v], of.w, grads[v], w_rates);
  }
  total = sum;
  store_small(of.b, 0, 1, b);
  HANDNN_ROLL
  for (Size v = 0; v < V; ++v) store_small(of.w, v * L, v + 1 < V ? L : I - v * L, w[v]);
  return step;
}

// Takes up to `steps` steps on consecutive batches of the same size and updates `of` in place. Adds
// the loss of each batch times N to `total`, and stops at the first that makes `total` infinite or
// NaN; a batch whose loss is so changes nothing. Returns the number of steps before that.
template <class Formula, class T>
Size small_steps(const SmallAffine<T>& of, const SmallBatches<T>& batches, T scale, Size steps,
                 double& total) {
  constexpr Size L = lanes<T>;
  const Size I = of.I, O = of.O, N = batches.N;
  if (O == 1 && I > 2 && !of.are_labels) {
    return small_column_steps<Formula>(of, batches, scale, steps, total);
  }
  const First<T> first(O);
  SmallRow<T> w[small_inputs], b = load_small(of.b, 0, first);
  HANDNN_ROLL
  for (Size i = 0; i < I; ++i) w[i] = load_small(of.w, i * O, first);
  Rates<Vector<T>> w_rates = splat(*of.w_rates), b_rates = splat(*of.b_rates);
  const Size Y = of.are_labels ? 1 : O;
  double sum = total, row_losses[partial_sums] = {};
  Size step = 0;
  for (; step < steps; ++step) {
    const T* x[small_rows];
    Vector<T> dout[small_rows], last{};
    alignas(64) T errors[small_rows * L];
    HANDNN_ROLL
    for (Size n = 0; n < N; ++n) {
      const Size at = step * N + n, row = batches.order ? batches.order[at] : at;
      const T* x_n = x[n] = batches.x + row * I;
      Vector<T> out = b.param;
      HANDNN_ROLL
      for (Size i = 0; i < I; ++i) out = fma(splat(x_n[i]), w[i].param, out);
      const T* y_true = batches.y_true + row * Y;
      if (of.are_labels) {
        dout[n] = last = small_cross_entropy(row_losses[n], out, *y_true, scale, O);
        continue;
      }
      const Vector<T> error = out - load(y_true, first);
      store(errors + n * O, error);  // lanes beyond the outputs are overwritten by the next row
      dout[n] = last = error * splat(scale);
    }
    const double loss =
        of.are_labels ? take_sum(row_losses, N) / double(N) : mean_of_few_squares(errors, N * O);
    sum += double(N) * loss;
    if (!__builtin_isfinite(sum)) break;
    set_corrected(w_rates, b_rates, batches, step);
    // The gradient of the last row is still in a register.
    Vector<T> grad{};
    HANDNN_ROLL
    for (Size n = 0; n < N - 1; ++n) grad += dout[n];
    update_small<Formula>(b, of.b, grad + last, b_rates);
    HANDNN_ROLL
    for (Size i = 0; i < I; ++i) {
      grad = Vector<T>{};
      HANDNN_ROLL
      for (Size n = 0; n < N - 1; ++n) grad = fma(splat(x[n][i]), dout[n], grad);
      update_small<Formula>(w[i], of.w, fma(splat(x[N - 1][i]), last, grad), w_rates);
    }
  }
  total = sum;
  store_small(of.b, 0, O, b);
  HANDNN_ROLL
  for (Size i = 0; i < I; ++i) store_small(of.w, i * O, O, w[i]);
  return step;
}

}  // namespace
}  // namespace handnn
