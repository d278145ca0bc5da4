// Training steps of the smallest networks: up to `tiny_layers` affines with ReLU, Sigmoid or GELU
// between them, each with a w of one or two rows or columns that fit into a vector; MSELoss or
// SoftmaxCrossEntropy of labels, of few rows; SGD without momentum and weight decay.
//
// One call takes many steps, with all params in registers or on the stack. A row of a batch is
// computed forward and backward before the next one, so that the sums of a gradient are in
// ascending order of the rows, as everywhere. A row of one element fills all lanes of its vector,
// so that it needs no permutation. Lanes beyond longer rows are computed, but not used.
#pragma once

#include "few_steps.hpp"
#include "small_network.hpp"

namespace handnn {
namespace {

// One lane of a vector, in all lanes. The lanes are taken in order.
template <class T>
struct EachLane {
  static constexpr int words = sizeof(T) / sizeof(float);  // doubles are pairs of floats
  Int32s which{};
  EachLane() {
    for (int i = 1; words == 2 && i < lanes<float>; i += 2) which[i] = 1;
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
  if (!has_two) return fma(a, of.w[0], start);
  return fma(lane_of<1, T>(a), of.w[1], fma(lane_of<0, T>(a), of.w[0], start));
}
// The same for columns of n elements.
template <class T>
inline Vector<T> tiny_by_columns(Vector<T> start, Vector<T> a, const TinyAffine<T>& of,
                                 bool has_two, Size n) {
  if (!has_two && n == 1) return fma(a, of.w[0], start);
  Vector<T> sum_0 = has_two ? lane_of<0, T>(start) : start, sum_1 = lane_of<1, T>(start);
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

// The output of an activation, and what its backward needs. With `is_plain`, it is a ReLU. As that
// is likely, params stay in registers, and are stored only around the call of another.
template <bool is_plain, class T>
inline Vector<T> activated(const SmallLayer<T>& of, Vector<T> pre, Vector<T>& kept) {
  kept = pre;
  if (is_plain || of.kind == SmallActivation::relu) [[likely]] {
    return at_least(pre, Vector<T>{});
  }
  T of_backward[lanes<T>];
  const Vector<T> out = small_activation(of.kind, pre, of_backward);
  kept = load(of_backward);
  return out;
}
template <bool is_plain, class T>
inline Vector<T> slopes_of(const SmallLayer<T>& of, Vector<T> dout, Vector<T> kept) {
  if (is_plain || of.kind == SmallActivation::relu) {
    return ReLU::backward(dout, kept, Vector<T>{});
  }
  if (of.kind == SmallActivation::gelu) return dout * kept;
  return Sigmoid::backward(dout, kept, Vector<T>{});
}

// The params of a network with `count` affines, and the sums of the gradients of the rows of a
// batch before this one. With `has_one`, each w is one row or column. With `is_plain`, activations
// are ReLUs and the loss is MSELoss: a loop that calls no function keeps more in registers.
template <int count, bool has_one, bool is_plain, class T>
struct TinyTraining {
  const SmallNetwork<T>& net;
  Vector<T> lr;
  TinyAffine<T> affines[count], grads[count];

  static bool has_two(const SmallLayer<T>& of) { return !has_one && of.few() > 1; }

  static Vector<T> load_row(const T* row, Size n) { return n == 1 ? splat(*row) : load(row); }

  void load_params() {
    for_each_constant<0, count>([&](auto i) {
      const SmallLayer<T>& of = net.layers[i];
      affines[i] = {{load_row(of.w, of.I * of.O), load(of.w + of.row)}, load_row(of.b, of.O)};
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

  // Keeps the sum of a gradient or, after the last row of a batch, updates its param.
  void use(Vector<T>& param, Vector<T>& sum, Vector<T> grad, bool is_last) const {
    sum = grad;
    if (!is_last) return;
    sum = Vector<T>{};
    param = plain_sgd(param, grad, lr);
  }

  // Computes a row. slopes(out, dout) sets the slopes of the loss, or returns false.
  template <class Slopes>
  bool row(Vector<T> x, bool is_last, Slopes slopes) {
    Vector<T> in[count], kept[count], dout{};
    for_each_constant<0, count>([&](auto i) {
      const SmallLayer<T>& of = net.layers[i];
      const TinyAffine<T>& affine = affines[i];
      in[i] = x;
      x = of.is_column ? tiny_by_columns<T>(affine.b, x, affine, has_two(of), of.I)
                       : tiny_by_rows<T>(affine.b, x, affine, has_two(of));
      if constexpr (i < count - 1) x = activated<is_plain>(of, x, kept[i]);
    });
    if (!slopes(x, dout)) return false;
    for_each_constant<0, count>([&](auto reversed) {
      constexpr int i = count - 1 - reversed;
      const SmallLayer<T>& of = net.layers[i];
      TinyAffine<T>&affine = affines[i], &grad = grads[i];
      const Vector<T> few = of.is_column ? dout : in[i], many = of.is_column ? in[i] : dout;
      Vector<T> dx{};
      if constexpr (i > 0) {
        dx = of.is_column ? tiny_by_rows<T>(dx, dout, affine, has_two(of))
                          : tiny_by_columns<T>(dx, dout, affine, has_two(of), of.O);
        dx = slopes_of<is_plain>(net.layers[i - 1], dx, kept[i - 1]);
      }
      const Vector<T> first = has_two(of) ? lane_of<0, T>(few) : few;
      use(affine.w[0], grad.w[0], fma(first, many, grad.w[0]), is_last);
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
template <int count, bool has_one, bool is_plain, class T>
Size tiny_steps(const SmallNetwork<T>& net, const SmallBatches<T>& batches, const Rates<T>& rates,
                T scale, Size steps, double& total) {
  const Size I = net.layers[0].I, O = net.layers[count - 1].O, N = batches.N,
             Y = net.options->columns;
  const bool are_labels = !is_plain && net.are_labels;
  const First<T> first_x(I), first_y(O);
  const auto load_row = [](const T* row, Size n, First<T> first) {
    return n == 1 ? splat(*row) : load(row, first);
  };
  TinyTraining<count, has_one, is_plain, T> training = {net, splat(rates.lr), {}, {}};
  training.load_params();
  T errors[tiny_entries + lanes<T>];
  double sum = total;
  Size step = 0, n = 0;
  while (step < steps) {
    const Size at = step * N + n, row = batches.order ? batches.order[at] : at;
    const bool is_last = n == N - 1;
    const T* y_true = batches.y_true + row * Y;
    const auto slopes = [&](Vector<T> out, Vector<T>& dout) {
      if (are_labels) {
        dout = small_cross_entropy(net.sums[n], out, *y_true, scale, O);
      } else {
        const Vector<T> error = out - load_row(y_true, O, first_y);
        store(errors + n * O, error);  // lanes beyond the outputs are overwritten by the next row
        dout = error * splat(scale);
      }
      if (!is_last) return true;
      const double loss =
          are_labels ? take_sum(net.sums, N) / double(N) : mean_of_few_squares(errors, N * O);
      sum += double(N) * loss;
      return bool(__builtin_isfinite(sum));
    };
    if (!training.row(load_row(batches.x + row * I, I, first_x), is_last, slopes)) break;
    ++n;
    if (!is_last) continue;
    n = 0;
    ++step;
  }
  total = sum;
  training.store_params();
  return step;
}

}  // namespace
}  // namespace handnn
