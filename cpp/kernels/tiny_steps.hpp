// Training steps of the smallest networks: up to `tiny_layers` affines with ReLUs between them,
// each with a w of one or two rows or columns that fit into a vector; MSELoss of few entries; SGD
// without momentum and weight decay.
//
// One call takes many steps, with all params in registers or on the stack. A row of a batch is
// computed forward and backward before the next one, so that the sums of a gradient are in
// ascending order of the rows, as everywhere. Lanes beyond a row are computed, but not used.
#pragma once

#include "few_steps.hpp"
#include "layers/relu.hpp"
#include "small_steps.hpp"

namespace handnn {
namespace {

// One lane of a vector, in all lanes. The lanes are taken in order.
template <class T>
struct EachLane {
  static constexpr int words = sizeof(T) / sizeof(float);  // doubles are pairs of floats
  Int32s which;
  EachLane() {
    for (int i = 0; i < lanes<float>; ++i) which[i] = i % words;
  }
  void operator++() { which += words; }
  Vector<T> of(Vector<T> v) const {
    return __builtin_bit_cast(Vector<T>, permuted(__builtin_bit_cast(Floats, v), which));
  }
};
template <int lane, class T>
inline Vector<T> lane_of(Vector<T> v) {
  EachLane<T> all;
  for (int i = 0; i < lane; ++i) ++all;
  return all.of(v);
}

// An affine of I inputs and O outputs: one or two rows of w, or columns, and b. Or their gradients.
template <class T>
struct TinyAffine {
  Vector<T> w[tiny_rows], b;
};

// start + a . w for rows of w.
template <class T>
inline Vector<T> tiny_by_rows(Vector<T> start, Vector<T> a, const TinyAffine<T>& of, bool has_two) {
  const Vector<T> sum = fma(lane_of<0, T>(a), of.w[0], start);
  return has_two ? fma(lane_of<1, T>(a), of.w[1], sum) : sum;
}
// The same for columns of n elements.
template <class T>
inline Vector<T> tiny_by_columns(Vector<T> start, Vector<T> a, const TinyAffine<T>& of,
                                 bool has_two, Size n) {
  Vector<T> sum_0 = lane_of<0, T>(start), sum_1 = lane_of<1, T>(start);
  EachLane<T> lane;
  HANDNN_ROLL
  for (Size k = 0; k < n; ++k, ++lane) {
    const Vector<T> a_k = lane.of(a);
    sum_0 = fma(a_k, lane.of(of.w[0]), sum_0);
    if (has_two) sum_1 = fma(a_k, lane.of(of.w[1]), sum_1);
  }
  return has_two ? with_rest<T>(sum_0, sum_1, 1) : sum_0;
}

// Calls f(i) for i from first to last - 1, as constants: arrays indexed by them stay in registers.
template <int first, int last, class F>
inline void for_each_constant(F f) {
  if constexpr (first < last) {
    f(std::integral_constant<int, first>{});
    for_each_constant<first + 1, last>(f);
  }
}

// The params of a network with `count` affines, and the sums of the gradients of the rows of a
// batch before this one. With `has_one`, each w is one row or column.
template <int count, bool has_one, class T>
struct TinyTraining {
  const SmallNetwork<T>& net;
  Vector<T> lr;
  TinyAffine<T> affines[count], grads[count];

  static bool has_two(const SmallLayer<T>& of) { return !has_one && of.few() > 1; }

  void load_params() {
    for_each_constant<0, count>([&](auto i) {
      const SmallLayer<T>& of = net.layers[i];
      affines[i] = {{load(of.w), load(of.w + of.row)}, load(of.b)};
      grads[i].w[0] = grads[i].w[1] = grads[i].b = Vector<T>{};
    });
  }
  void store_params() const {
    for_each_constant<0, count>([&](auto i) {
      const SmallLayer<T>& of = net.layers[i];
      store(of.w, affines[i].w[0]);
      if (has_two(of)) store(of.w + of.row, affines[i].w[1]);
      store(of.b, affines[i].b);
    });
  }

  // Keeps the sum of a gradient or, after the last row of a batch, updates its param as SGD does:
  // `nothing` is what momentum and weight decay add to it, which matters for -0, infinity and NaN.
  void use(Vector<T>& param, Vector<T>& sum, Vector<T> grad, bool is_last) const {
    sum = grad;
    if (!is_last) return;
    sum = Vector<T>{};
    const Vector<T> nothing = Vector<T>{} * param + Vector<T>{};
    param = fma(-lr, grad + nothing, param);
  }

  // Computes a row. slopes(out, dout) sets the slopes of the loss, or returns false.
  template <class Slopes>
  bool row(Vector<T> x, bool is_last, Slopes slopes) {
    Vector<T> in[count], pre[count], dout{};
    for_each_constant<0, count>([&](auto i) {
      const SmallLayer<T>& of = net.layers[i];
      const TinyAffine<T>& affine = affines[i];
      in[i] = x;
      pre[i] = of.is_column ? tiny_by_columns<T>(affine.b, x, affine, has_two(of), of.I)
                            : tiny_by_rows<T>(affine.b, x, affine, has_two(of));
      x = at_least(pre[i], Vector<T>{});  // ReLU::forward in one instruction
    });
    if (!slopes(pre[count - 1], dout)) return false;
    for_each_constant<0, count>([&](auto reversed) {
      constexpr int i = count - 1 - reversed;
      const SmallLayer<T>& of = net.layers[i];
      TinyAffine<T>&affine = affines[i], &grad = grads[i];
      const Vector<T> few = of.is_column ? dout : in[i], many = of.is_column ? in[i] : dout;
      Vector<T> dx{};
      if constexpr (i > 0) {
        dx = of.is_column ? tiny_by_rows<T>(dx, dout, affine, has_two(of))
                          : tiny_by_columns<T>(dx, dout, affine, has_two(of), of.O);
        dx = ReLU::backward(dx, pre[i - 1], Vector<T>{});
      }
      use(affine.w[0], grad.w[0], fma(lane_of<0, T>(few), many, grad.w[0]), is_last);
      if (has_two(of)) {
        use(affine.w[1], grad.w[1], fma(lane_of<1, T>(few), many, grad.w[1]), is_last);
      }
      use(affine.b, grad.b, grad.b + dout, is_last);
      dout = dx;
    });
    return true;
  }
};

// Takes up to `steps` steps on consecutive batches, as small_steps does.
template <int count, bool has_one, class T>
Size tiny_steps(const SmallNetwork<T>& net, const SmallBatches<T>& batches, T lr, T scale,
                Size steps, double& total) {
  const Size I = net.layers[0].I, O = net.layers[count - 1].O, N = batches.N;
  const First<T> first_x(I), first_y(O);
  TinyTraining<count, has_one, T> training = {net, splat(lr), {}, {}};
  training.load_params();
  T errors[tiny_entries + lanes<T>];
  double sum = total;
  Size step = 0, n = 0;
  while (step < steps) {
    const Size at = step * N + n, row = batches.order ? batches.order[at] : at;
    const bool is_last = n == N - 1;
    const auto slopes = [&](Vector<T> out, Vector<T>& dout) {
      const Vector<T> error = out - load(batches.y_true + row * O, first_y);
      store(errors + n * O, error);  // lanes beyond the outputs are overwritten by the next row
      dout = error * splat(scale);
      if (!is_last) return true;
      const double loss = mean_of_few_squares(errors, N * O);
      sum += double(N) * loss;
      return bool(__builtin_isfinite(loss));
    };
    if (!training.row(load(batches.x + row * I, first_x), is_last, slopes)) break;
    ++n;
    if (!is_last) continue;
    n = 0;
    if (!__builtin_isfinite(sum)) break;
    ++step;
  }
  total = sum;
  training.store_params();
  return step;
}

}  // namespace
}  // namespace handnn
