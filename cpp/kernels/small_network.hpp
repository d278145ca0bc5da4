// The loss and the gradients of a small network: affines with activations between them, on few
// rows.
//
// Calling a kernel for each part of such a step takes longer than its arithmetic, so one call does
// all of it. Vectors are stored whole: their lanes beyond a row are 0 in the params and their
// gradients, and are overwritten by the next row elsewhere. (A vector that is read soon after its
// elements were stored one by one has to wait for these stores.)
#pragma once

#include "layers/relu.hpp"
#include "small_steps.hpp"
#include "table.hpp"

namespace handnn {
namespace {

// out (M, J) for a (M, K): sums(row of a, j) is the vector of columns from j on.
template <class T, class Sums>
inline void small_product(T* out, const T* a, Size M, Size K, Size J, Sums sums) {
  HANDNN_ROLL
  for (Size m = 0; m < M; ++m, a += K, out += J) {
    HANDNN_ROLL
    for (Size j = 0; j < J; j += lanes<T>) store(out + j, sums(a, j));
  }
}

// out (M, J) = start (J) + a (M, K) . b (K, J). Rows of b are `row` apart.
template <class T>
void small_by_rows(T* out, const T* a, const T* b, Size row, const T* start, Size M, Size K,
                   Size J) {
  small_product(out, a, M, K, J, [&](const T* a_row, Size j) {
    Vector<T> sum{};
    if (start) sum = load(start + j);
    HANDNN_ROLL
    for (Size k = 0; k < K; ++k) sum = fma(splat(a_row[k]), load(b + k * row + j), sum);
    return sum;
  });
}
// The same if columns of b are contiguous, and `row` apart.
template <class T>
void small_by_columns(T* out, const T* a, const T* b, Size row, const T* start, Size M, Size K,
                      Size J) {
  small_product(out, a, M, K, J, [&](const T* a_row, Size first) {
    const Size end = J - first < lanes<T> ? J : first + lanes<T>;
    Vector<T> sums{};
    HANDNN_ROLL
    for (Size j = first; j < end; ++j) {
      Vector<T> sum{};
      if (start) sum = splat(start[j]);
      HANDNN_ROLL
      for (Size k = 0; k < K; ++k) sum = fma(splat(a_row[k]), splat(b[j * row + k]), sum);
      sums = with_rest<T>(sums, sum, j - first);
    }
    return sums;
  });
}

// dw and db from x (N, I) and dout.
template <class T>
void small_dparams(const SmallLayer<T>& of, const T* x, Size N) {
  const bool is_column = of.is_column;
  const T *const few = is_column ? of.dout : x, *const many = is_column ? x : of.dout;
  const Size rows = is_column ? of.O : of.I, J = is_column ? of.I : of.O;
  for_each_vector<T>(J, [&](auto at) {
    HANDNN_ROLL
    for (Size r = 0; r < rows; ++r) {
      Vector<T> sum{};
      HANDNN_ROLL
      for (Size n = 0; n < N; ++n) sum = fma(splat(few[n * rows + r]), at.load(many + n * J), sum);
      store(of.dw + r * of.row + at.i, sum);
    }
  });
  for_each_vector<T>(of.O, [&](auto at) {
    Vector<T> sum{};
    HANDNN_ROLL
    for (Size n = 0; n < N; ++n) sum += at.load(of.dout + n * of.O);
    store(of.db + at.i, sum);
  });
}

// The loss, whose gradient is that of the last output.
template <class T>
inline double small_loss(const SmallNetwork<T>& net, const T* y_true, Size N, T scale) {
  const SmallLayer<T>& last = net.layers[net.count - 1];
  const Size n = N * last.O;
  if (net.are_labels && last.O <= lanes<T>) {
    double losses[partial_sums] = {};
    for (Size k = 0; k < N; ++k) {
      const Vector<T> out = load(last.pre + k * last.O);
      store(last.dout + k * last.O, small_cross_entropy(losses[k], out, y_true[k], scale, last.O));
    }
    return take_sum(losses, N) / double(N);
  }
  if (!net.is_mse || n > lanes<T> || n > 4) {
    net.loss->add_and_backward({net.sums, last.dout}, last.pre, y_true, nullptr, *net.options,
                               scale, N, last.O);
    return net.loss->mean(net.sums, N, last.O);
  }
  T errors[lanes<T>];
  const Vector<T> error = load(last.pre) - load(y_true, First<T>(n));
  store(last.dout, error * splat(scale));
  store(errors, error);
  return mean_of_few_squares(errors, n);
}

// x (N, I), y_true (N, Y) -> the loss and all dw and db, overwritten.
template <class T>
double small_network(const SmallNetwork<T>& net, const T* x, const T* y_true, Size N, T scale) {
  const T* in = x;
  for (int i = 0; i < net.count; ++i) {
    const SmallLayer<T>& of = net.layers[i];
    (of.is_column ? small_by_columns<T> : small_by_rows<T>)(of.pre, in, of.w, of.row, of.b, N, of.I,
                                                            of.O);
    if (!of.activation) break;
    in = of.out;
    if (!of.is_relu) {
      of.activation->forward(of.out, of.pre, of.setting, N * of.O);
      continue;
    }
    HANDNN_ROLL
    for (Size k = 0; k < N * of.O; k += lanes<T>) {
      store(of.out + k, ReLU::forward(load(of.pre + k), Vector<T>{}));
    }
  }
  const double loss = small_loss(net, y_true, N, scale);
  for (int i = net.count - 1; i > 0; --i) {
    const SmallLayer<T>&of = net.layers[i], &below = net.layers[i - 1];
    small_dparams(of, below.out, N);
    T* const dx = below.dout;
    (of.is_column ? small_by_rows<T> : small_by_columns<T>)(dx, of.dout, of.w, of.row, nullptr, N,
                                                            of.O, of.I);
    if (!below.is_relu) {
      below.activation->backward(dx, dx, below.kept, below.setting, N * of.I);
      continue;
    }
    HANDNN_ROLL
    for (Size k = 0; k < N * of.I; k += lanes<T>) {
      store(dx + k, ReLU::backward(load(dx + k), load(below.kept + k), Vector<T>{}));
    }
  }
  small_dparams(net.layers[0], x, N);
  return loss;
}

}  // namespace
}  // namespace handnn
