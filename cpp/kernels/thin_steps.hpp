// Training steps of networks whose widths are all 1: up to `small_layers` affines with ReLU,
// Sigmoid or GELU between them and MSELoss.
//
// The rows fill the lanes, and a vector of them passes through the whole network at once. All
// gradients are sums over the rows, one chain for each, in ascending order, as everywhere. So two
// layers are summed at a time: a sum waits for its last addition longer than both take. Rows come
// in parts, and while the sums of a part wait, the next part is computed.
#pragma once

#include "tiny_steps.hpp"

namespace handnn {
namespace {

// The rows of a part, a multiple of partial_sums.
constexpr Size thin_rows = 32;

// Of part of a batch, and of an affine: the inputs, what the activation before it has kept, and the
// gradients of the outputs. And the sums of the gradients of its params.
template <class T>
struct ThinLayer {
  T in[thin_rows], kept[thin_rows], dout[thin_rows];
  T dw, db;
};

// Forward and backward of n rows, whose errors are stored.
template <class T>
inline void pass_thin_rows(const SmallLayer<T>* layers, ThinLayer<T>* own, int count, T* errors,
                           const T* x, const T* y_true, T scale, Size n) {
  HANDNN_ROLL
  for (Size at = 0; at < n; at += lanes<T>) {
    const auto load_rows = [&](const T* p) {
      return at + lanes<T> <= n ? load(p + at) : load(p + at, First<T>(n - at));
    };
    Vector<T> v = load_rows(x);
    int i = 0;
    for (;;) {
      store(own[i].in + at, v);
      v = fma(v, splat(*layers[i].w), splat(*layers[i].b));
      if (i + 1 == count) break;
      Vector<T> kept;
      v = activated<false>(layers[i], v, kept);
      store(own[++i].kept + at, kept);
    }
    v = v - load_rows(y_true);
    store(errors + at, v);
    v = v * splat(scale);
    HANDNN_ROLL
    for (; i > 0; --i) {
      store(own[i].dout + at, v);
      v = fma(v, splat(*layers[i].w), Vector<T>{});
      v = slopes_of<false>(layers[i - 1], v, load(own[i].kept + at));
    }
    store(own->dout + at, v);
  }
}

// Adds the gradients of n rows, of two layers at a time.
template <class T>
inline void add_thin_gradients(ThinLayer<T>* own, int count, Size n) {
  HANDNN_ROLL
  for (int i = 0; i < count; i += 2) {
    ThinLayer<T>&one = own[i], &other = own[i + 1 < count ? i + 1 : i];
    T dw_0 = one.dw, dw_1 = other.dw, db_0 = one.db, db_1 = other.db;
    HANDNN_ROLL
    for (Size k = 0; k < n; ++k) {
      dw_0 = fma(one.in[k], one.dout[k], dw_0);
      dw_1 = fma(other.in[k], other.dout[k], dw_1);
      db_0 += one.dout[k];
      db_1 += other.dout[k];
    }
    one.dw = dw_0;
    one.db = db_0;
    other.dw = dw_1;
    other.db = db_1;
  }
}

// Takes up to `steps` steps on consecutive batches, as small_steps does.
template <class T>
Size thin_steps(const SmallNetwork<T>& net, const SmallBatches<T>& batches, const Rates<T>& rates,
                T scale, Size steps, double& total) {
  const Size N = batches.N;
  const int count = net.count;
  Rates<T> next = rates;
  ThinLayer<T> thin[small_layers];
  // Of loops over arrays of small_layers, the compiler would make as many copies.
  const SmallLayer<T>* const layers = net.layers;
  ThinLayer<T>* const own = thin;
  T x_part[thin_rows], y_part[thin_rows], errors[thin_rows];
  double sum = total;
  Size step = 0;
  for (; step < steps; ++step) {
    HANDNN_ROLL
    for (int i = 0; i < count; ++i) own[i].dw = own[i].db = 0;
    for (Size first = step * N, end = first + N, n; first < end; first += n) {
      n = end - first < thin_rows ? end - first : thin_rows;
      const T *x = batches.x + first, *y_true = batches.y_true + first;
      if (batches.order) {
        HANDNN_ROLL
        for (Size k = 0; k < n; ++k) {
          x_part[k] = batches.x[batches.order[first + k]];
          y_part[k] = batches.y_true[batches.order[first + k]];
        }
        x = x_part;
        y_true = y_part;
      }
      pass_thin_rows(layers, own, count, errors, x, y_true, scale, n);
      add_squares_of(net.sums, errors, n);
      add_thin_gradients(own, count, n);
    }
    sum += double(N) * net.loss->mean(net.sums, N, 1);
    if (!__builtin_isfinite(sum)) break;
    HANDNN_ROLL
    for (int i = 0; i < count; ++i) {
      const SmallLayer<T>& of = layers[i];
      if (net.update) {
        *of.dw = own[i].dw;
        *of.db = own[i].db;
      } else {
        *of.w = plain_sgd(*of.w, own[i].dw, rates.lr);
        *of.b = plain_sgd(*of.b, own[i].db, rates.lr);
      }
    }
    if (net.update) update_small_network(net, batches, next, step);
  }
  total = sum;
  return step;
}

}  // namespace
}  // namespace handnn
