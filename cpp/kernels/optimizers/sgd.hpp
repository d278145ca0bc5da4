// SGD: stochastic gradient descent with momentum, Nesterov momentum and weight decay
//
//   g = grad + weight_decay param
//   v = momentum v + g
//   param = param - lr (nesterov ? g + momentum v : v)
//
// (PyTorch's convention, torch.optim.SGD: the learning rate is not part of the velocity. Nesterov's
// form: Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML
// 2013, section 2.)
#pragma once

#include "update.hpp"

namespace handnn {
namespace {

struct SGD {
  static constexpr Keeps keeps[2] = {Keeps::sometimes, Keeps::never};
  static constexpr bool is_common = true;
  template <class V>
  static void step(V& param, V& velocity, V&, V g, const Rates<V>& rates) {
    velocity = fma(rates.mean_decay, velocity, g);
    const V step = rates.nesterov ? fma(rates.mean_decay, velocity, g) : velocity;
    param = fma(-rates.lr, step, param);
  }
};

// Four rows of w and C vectors of columns, as update_and_forward.
template <class T, int C, class At>
inline void plain_sgd_tile(T* w, const T* x, const T* dout, NextRow<T> next, Vector<T> lr,
                           Vector<T> decay, Size O, At at) {
  const Vector<T> none{};
  Vector<T> sum[C];
  HANDNN_UNROLL
  for (int c = 0; c < C; ++c) sum[c] = at(c).load(next.out);
  HANDNN_ROLL
  for (int r = 0; r < tiled_rows; ++r, w += O) {
    const Vector<T> x_r = splat(x[r]), next_r = splat(next.x[r]);
    HANDNN_UNROLL
    for (int c = 0; c < C; ++c) {
      const Vector<T> param = at(c).load(w);
      const Vector<T> grad = fma(decay, param, fma(x_r, at(c).load(dout), none)) + none;
      const Vector<T> updated = fma(-lr, grad, param);
      at(c).store(w, updated);
      sum[c] = fma(next_r, updated, sum[c]);
    }
  }
  HANDNN_UNROLL
  for (int c = 0; c < C; ++c) at(c).store(next.out, sum[c]);
}
// update_and_forward without momentum, in two thirds of the instructions. Momentum 0 adds 0 to a
// gradient, which matters for -0.
template <class T>
void sgd_and_forward(ParamArrays<T> w, const T* x, const T* dout, NextRow<T> next,
                     const Rates<T>& rates, Size I, Size O) {
  if (w.state_0 || rates.mean_decay != 0 || rates.nesterov) {
    return update_and_forward<SGD>(w, x, dout, next, rates, I, O);
  }
  constexpr Size L = lanes<T>, block = 4 * tiled_rows;
  const Vector<T> lr = splat(rates.lr), decay = splat(rates.weight_decay);
  const Size whole = O / L * L, tiled = I / tiled_rows * tiled_rows;
  const auto step = [&](Size i, auto width, auto at) {
    plain_sgd_tile<T, width>(w.param + i * O, x + i, dout, {next.x + i, next.out}, lr, decay, O,
                             at);
  };
  // The last columns of a block of rows come first: a masked load or store waits for a store of the
  // same bytes, which are the first columns of the next row.
  for (Size first = 0, last; first < tiled; first = last) {
    last = tiled - first < block ? tiled : first + block;
    for (Size i = first; whole < O && i < last; i += tiled_rows) {
      const PartialVector<T> rest = {whole, First<T>(O - whole)};
      step(i, std::integral_constant<int, 1>{}, [&](int) { return rest; });
    }
    for (Size i = first; i < last; i += tiled_rows) {
      for_each_vectors<2, T>(whole, [&](auto width, auto at) { step(i, width, at); });
    }
  }
  if (tiled == I) return;
  update_and_forward<SGD>({w.param + tiled * O, nullptr, nullptr}, x + tiled, dout,
                          {next.x + tiled, next.out}, rates, I - tiled, O);
}

}  // namespace
}  // namespace handnn
