// Training steps of networks whose widths are all 1: up to `small_layers` affines with ReLU,
// Sigmoid or GELU between them and MSELoss.
//
// The rows fill the lanes, and a vector of them passes forward and backward through the whole
// network, with all params in registers. All gradients are sums over the rows, one chain for each,
// in ascending order, as everywhere: lane after lane, and while these sums wait for their last
// additions, the next vector is computed. Sums, and so params, are the same in all lanes.
#pragma once

#include "tiny_steps.hpp"

namespace handnn {
namespace {

// The partial sums of a loss. They are apart from the params, which stay in registers.
struct ThinLoss {
  static constexpr int L = lanes<double>, parts = partial_sums / L;
  Doubles sums[parts];

  ThinLoss() {
    for_each_constant<0, parts>([&](auto i) { sums[i] = Doubles{}; });
  }

  // Adds the squares of a vector of errors, of rows from `at` on.
  template <class T>
  void add(const T (&errors)[lanes<T>], Size at) {
    HANDNN_UNROLL
    for (int k = 0; k < lanes<T>; k += L) {
      const Doubles error = to_double(load_double_lanes(errors + k));
      sums[(at + k) % partial_sums / L] += error * error;
    }
  }

  double sum() {
    return all_lanes<double>(add_pairwise<parts>(sums), L,
                             [](Doubles one, Doubles other) { return one + other; })[0];
  }
};

// The params of a network with `count` affines, and the gradients of a batch of N rows.
template <int count, class T>
struct ThinTraining {
  using V = Vector<T>;
  static constexpr Size L = lanes<T>;
  const SmallNetwork<T>& net;
  Size N;
  First<T> rest;  // rows of the last vector
  V scale, lr;
  V w[count], b[count], dw[count], db[count];

  template <class F>
  static void each(F f) {
    for_each_constant<0, count>(f);
  }

  void load_params() {
    each([&](auto i) {
      w[i] = splat(*net.layers[i].w);
      b[i] = splat(*net.layers[i].b);
    });
  }
  void store_params() const {
    each([&](auto i) {
      *net.layers[i].w = w[i][0];
      *net.layers[i].b = b[i][0];
    });
  }
  void clear_gradients() {
    each([&](auto i) { dw[i] = db[i] = V{}; });
  }

  // Forward and backward of a vector of rows from `at` on; x and y_true are those of the batch.
  void add_rows(ThinLoss& loss, const T* x, const T* y_true, Size at) {
    const bool is_whole = at + L <= N;
    const Size n = is_whole ? L : N - at;
    const auto rows = [&](const T* p) { return is_whole ? load(p + at) : load(p + at, rest); };
    V in[count], kept[count], dout[count], v = rows(x);
    each([&](auto i) {
      in[i] = v;
      v = fma(v, w[i], b[i]);
      if constexpr (i < count - 1) v = activated<false>(net.layers[i], v, kept[i]);
    });
    v = v - rows(y_true);
    T errors[L];
    store(errors, is_whole ? v : with_rest<T>(v, V{}, n));
    loss.add<T>(errors, at);
    v = v * scale;
    each([&](auto reversed) {
      constexpr int i = count - 1 - reversed;
      dout[i] = v;
      if constexpr (i > 0) {
        v = slopes_of<false>(net.layers[i - 1], fma(v, w[i], V{}), kept[i - 1]);
      }
    });
    EachLane<T> lane;
    HANDNN_ROLL
    for (Size k = 0; k < n; ++k, ++lane) {
      each([&](auto i) {
        const V dout_k = lane.of(dout[i]);
        dw[i] = fma(lane.of(in[i]), dout_k, dw[i]);
        db[i] += dout_k;
      });
    }
  }

  // Updates the params in step number `step`, with the rates `next` unless by plain SGD.
  void update(const SmallBatches<T>& batches, Rates<T>& next, Size step) {
    if (!net.update) {
      each([&](auto i) {
        w[i] = plain_sgd(w[i], dw[i], lr);
        b[i] = plain_sgd(b[i], db[i], lr);
      });
      return;
    }
    each([&](auto i) {
      store(net.layers[i].dw, dw[i]);
      store(net.layers[i].db, db[i]);
    });
    update_small_network(net, batches, next, step);
    load_params();
  }
};

// Takes up to `steps` steps on consecutive batches in their order, as small_steps does.
template <int count, class T>
Size thin_steps(const SmallNetwork<T>& net, const SmallBatches<T>& batches, const Rates<T>& rates,
                T scale, Size steps, double& total) {
  const Size N = batches.N;
  Rates<T> next = rates;
  ThinTraining<count, T> training = {
      net, N, First<T>(N % lanes<T>), splat(scale), splat(rates.lr), {}, {}, {}, {}};
  training.load_params();
  double sum = total;
  Size step = 0;
  for (; step < steps; ++step) {
    ThinLoss loss;
    training.clear_gradients();
    HANDNN_ROLL
    for (Size at = 0; at < N; at += lanes<T>) {
      training.add_rows(loss, batches.x + step * N, batches.y_true + step * N, at);
    }
    sum += double(N) * (loss.sum() / double(N));
    if (!__builtin_isfinite(sum)) break;
    training.update(batches, next, step);
  }
  total = sum;
  training.store_params();
  return step;
}

}  // namespace
}  // namespace handnn
