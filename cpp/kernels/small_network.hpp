// Training steps of a small network: affines with activations between them, on few rows with
// MSELoss or SoftmaxCrossEntropy of labels, or on one row with any loss.
//
// Calling a kernel for each part of such a step takes longer than its arithmetic, so one call takes
// many steps. Vectors are stored whole: their lanes beyond a row are computed, but not used, or are
// overwritten by the next row. (A vector that is read soon after its elements were stored one by
// one has to wait for these stores.)
#pragma once

#include "layers/gelu.hpp"
#include "layers/relu.hpp"
#include "layers/sigmoid.hpp"
#include "small_steps.hpp"
#include "table.hpp"

namespace handnn {
namespace {

// start + a (K) . b (K, lanes), whose rows are `row` apart.
template <class T>
inline Vector<T> small_by_rows(Vector<T> start, const T* a, const T* b, Size row, Size K) {
  HANDNN_ROLL
  for (Size k = 0; k < K; ++k) start = fma(splat(a[k]), load(b + k * row), start);
  return start;
}
// start (J) or 0, + a (K) . b (K, J): the vector of columns from `first` on. Columns of b are
// contiguous, and `row` apart.
template <class T>
inline Vector<T> small_by_columns(const T* start, const T* a, const T* b, Size row, Size K,
                                  Size first, Size J) {
  const Size end = J - first < lanes<T> ? J : first + lanes<T>;
  Vector<T> sums{};
  HANDNN_ROLL
  for (Size j = first; j < end; ++j) {
    Vector<T> sum{};
    if (start) sum = splat(start[j]);
    HANDNN_ROLL
    for (Size k = 0; k < K; ++k) sum = fma(splat(a[k]), splat(b[j * row + k]), sum);
    sums = with_rest<T>(sums, sum, j - first);
  }
  return sums;
}

// The output of Sigmoid or GELU, and what its backward needs: the output, or the slope, which has
// terms in common with it.
template <class T>
__attribute__((noinline)) Vector<T> small_activation(SmallActivation kind, Vector<T> pre, T* kept) {
  if (kind == SmallActivation::sigmoid) {
    const Vector<T> out = sigmoid(pre);
    store(kept, out);
    return out;
  }
  const Vector<T> cdf = normal_cdf(pre);
  store(kept, fma(pre, normal_pdf(pre), cdf));
  return pre * cdf;
}

// The inputs of a layer, a row each: those of the first one, in any order, or the layer below's
// outputs.
template <class T>
struct SmallRows {
  const T* x[small_rows];
};

// Whether rows of (N, O) are whole vectors, so that each vector belongs to one row.
template <class T>
inline bool are_whole(const SmallLayer<T>& of, Size N) {
  return N == 1 || of.apart % lanes<T> == 0;
}

template <class T>
inline void small_forward(const SmallLayer<T>& of, const SmallRows<T>& in, Size N) {
  const auto kind = of.kind;
  const bool is_direct = kind != SmallActivation::none && kind != SmallActivation::other,
             by_rows = are_whole(of, N);
  const auto activate = [&](Vector<T> pre, Size k) {
    if (kind == SmallActivation::relu) return at_least(pre, Vector<T>{});  // as ReLU::forward
    return small_activation(kind, pre, of.slope + k);
  };
  HANDNN_ROLL
  for (Size n = 0; n < N; ++n) {
    HANDNN_ROLL
    for (Size j = 0; j < of.O; j += lanes<T>) {
      const Vector<T> pre = of.is_column
                                ? small_by_columns(of.b, in.x[n], of.w, of.row, of.I, j, of.O)
                                : small_by_rows(load(of.b + j), in.x[n], of.w + j, of.row, of.I);
      const Size at = n * of.apart + j;
      store(of.pre + at, pre);
      if (by_rows && is_direct) store(of.out + at, activate(pre, at));
    }
  }
  for (Size k = 0; !by_rows && is_direct && k < N * of.O; k += lanes<T>) {
    store(of.out + k, activate(load(of.pre + k), k));
  }
  if (kind == SmallActivation::other) of.activation->forward(of.out, of.pre, of.setting, N * of.O);
}

// dout of the layer above -> that of `of`.
template <class T>
inline void small_dx(const SmallLayer<T>& of, const SmallLayer<T>& above, Size N) {
  const auto kind = of.kind;
  const auto slopes = [&](Vector<T> dx, Size k) {
    if (kind == SmallActivation::relu) return ReLU::backward(dx, load(of.pre + k), Vector<T>{});
    if (kind == SmallActivation::gelu) return dx * load(of.slope + k);
    if (kind == SmallActivation::other) return dx;
    return Sigmoid::backward(dx, load(of.out + k), Vector<T>{});
  };
  const bool by_rows = are_whole(of, N);
  HANDNN_ROLL
  for (Size n = 0; n < N; ++n) {
    const T* dout = above.dout + n * above.apart;
    HANDNN_ROLL
    for (Size j = 0; j < of.O; j += lanes<T>) {
      const Vector<T> dx =
          above.is_column
              ? small_by_rows(Vector<T>{}, dout, above.w + j, above.row, above.O)
              : small_by_columns<T>(nullptr, dout, above.w, above.row, above.O, j, of.O);
      const Size at = n * of.apart + j;
      store(of.dout + at, by_rows ? slopes(dx, at) : dx);
    }
  }
  for (Size k = 0; !by_rows && k < N * of.O; k += lanes<T>) {
    store(of.dout + k, slopes(load(of.dout + k), k));
  }
  if (kind == SmallActivation::other) {
    of.activation->backward(of.dout, of.dout, of.kept, of.setting, N * of.O);
  }
}

// Computes dw and db. They are stored, or plain SGD updates w and b with them.
template <class T>
inline void small_dparams(const SmallLayer<T>& of, const SmallRows<T>& in, Size N, Vector<T> lr,
                          bool updates) {
  const auto learn = [&](T* param, T* grad_of_param, Vector<T> grad) {
    if (!updates) return store(grad_of_param, grad);
    store(param, plain_sgd(load(param), grad, lr));
  };
  const Size rows = of.few(), row = of.row;
  const auto dw = [&](Size j, auto few, auto many) {
    HANDNN_ROLL
    for (Size at = j, r = 0; r < rows; ++r, at += row) {
      Vector<T> sum{};
      HANDNN_ROLL
      for (Size n = 0; n < N; ++n) sum = fma(splat(few(n)[r]), many(n), sum);
      learn(of.w + at, of.dw + at, sum);
    }
  };
  const auto x = [&](Size n) { return in.x[n]; };
  const auto dout = [&](Size n) { return of.dout + n * of.apart; };
  if (of.is_column) {  // x may end where its array does
    for_each_vector<T>(of.I,
                       [&](auto at) { dw(at.i, dout, [&](Size n) { return at.load(x(n)); }); });
  }
  HANDNN_ROLL
  for (Size j = 0; j < of.O; j += lanes<T>) {
    const auto dout_j = [&](Size n) { return load(dout(n) + j); };
    if (!of.is_column) dw(j, x, dout_j);
    Vector<T> sum{};
    HANDNN_ROLL
    for (Size n = 0; n < N; ++n) sum += dout_j(n);
    learn(of.b + j, of.db + j, sum);
  }
}

// The loss, whose gradient is that of the last output.
template <class T>
inline double small_loss(const SmallNetwork<T>& net, const SmallRows<T>& y_true, Size N, T scale) {
  const SmallLayer<T>& last = net.layers[net.count - 1];
  const Size O = last.O;
  T errors[small_entries + lanes<T>];
  HANDNN_ROLL
  for (Size n = 0; n < N; ++n) {
    T *const pre = last.pre + n * last.apart, *const dout = last.dout + n * last.apart;
    if (net.is_mse) {
      for_each_vector<T>(O, [&](auto at) {
        const Vector<T> error = load(pre + at.i) - at.load(y_true.x[n]);
        store(errors + n * O + at.i, error);
        store(dout + at.i, error * splat(scale));
      });
    } else if (net.are_labels && O <= lanes<T>) {
      store(dout, small_cross_entropy(net.sums[n], load(pre), *y_true.x[n], scale, O));
    } else {  // labels, or one row
      net.loss->add_and_backward({net.sums + n, dout}, pre, y_true.x[n], nullptr, *net.options,
                                 scale, 1, O);
    }
  }
  return net.is_mse ? mean_of_few_squares(errors, N * O) : net.loss->mean(net.sums, N, O);
}

// Updates all params with their gradients. Sets the rates of step number `step`, if they change.
template <class T>
inline void update_small_network(const SmallNetwork<T>& net, const SmallBatches<T>& batches,
                                 Rates<T>& rates, Size step) {
  if (batches.corrected) {
    rates.lr = batches.corrected[step].w_lr;
    rates.square_correction = batches.corrected[step].square_correction;
  }
  net.update(net.params, net.states[0], net.states[1], net.params + net.size, rates, net.size);
}

// Takes up to `steps` steps on consecutive batches, as small_steps does.
template <class T>
Size small_network(const SmallNetwork<T>& net, const SmallBatches<T>& batches,
                   const Rates<T>& rates, T scale, Size steps, double& total) {
  const Size I = net.layers[0].I, N = batches.N, Y = net.options->columns;
  const Vector<T> lr = splat(rates.lr);
  Rates<T> next = rates;
  SmallRows<T> in[small_layers], y_true;  // in[i]: of layer i
  for (int i = 1; i < net.count; ++i) {
    for (Size n = 0; n < N; ++n) in[i].x[n] = net.layers[i - 1].out + n * net.layers[i - 1].apart;
  }
  double sum = total;
  Size step = 0;
  for (; step < steps; ++step) {
    HANDNN_ROLL
    for (Size n = 0; n < N; ++n) {
      const Size at = step * N + n, row = batches.order ? batches.order[at] : at;
      in[0].x[n] = batches.x + row * I;
      y_true.x[n] = batches.y_true + row * Y;
    }
    for (int i = 0; i < net.count; ++i) small_forward(net.layers[i], in[i], N);
    const double loss = small_loss(net, y_true, N, scale);
    sum += double(N) * loss;
    if (!__builtin_isfinite(sum)) break;
    for (int i = net.count; i-- > 0;) {
      if (i > 0) small_dx(net.layers[i - 1], net.layers[i], N);
      small_dparams(net.layers[i], in[i], N, lr, !net.update);
    }
    if (net.update) update_small_network(net, batches, next, step);
  }
  total = sum;
  return step;
}

}  // namespace
}  // namespace handnn
