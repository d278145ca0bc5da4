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

// SGD without momentum, in two thirds of the instructions. Momentum 0 adds 0 to a gradient, which
// matters for -0.
struct PlainSGD {
  static constexpr Keeps keeps[2] = {Keeps::never, Keeps::never};
  static constexpr bool is_common = true;
  template <class V>
  static void step(V& param, V&, V&, V g, const Rates<V>& rates) {
    param = fma(-rates.lr, g + V{}, param);
  }
};

template <class T>
void sgd_and_forward(ParamArrays<T> w, const T* x, const T* dout, NextRow<T> next,
                     const Rates<T>& rates, Size I, Size O) {
  const bool is_plain = !w.state_0 && rates.mean_decay == 0 && !rates.nesterov;
  (is_plain ? update_and_forward<PlainSGD, T> : update_and_forward<SGD, T>)(w, x, dout, next, rates,
                                                                            I, O);
}

}  // namespace
}  // namespace handnn
