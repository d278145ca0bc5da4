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
  template <class V>
  static void step(V& param, V& velocity, V&, V g, const Rates<V>& rates) {
    velocity = fma(rates.mean_decay, velocity, g);
    const V step = rates.nesterov ? fma(rates.mean_decay, velocity, g) : velocity;
    param = fma(-rates.lr, step, param);
  }
};

}  // namespace
}  // namespace handnn
