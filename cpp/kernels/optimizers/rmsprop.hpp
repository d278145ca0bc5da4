// RMSProp: gradients divided by the root of the running mean of their squares, with momentum
//
//   square = alpha square + (1 - alpha) g^2
//   velocity = momentum velocity + g / (sqrt(square) + eps)
//   param = param - lr velocity
//
// (Tieleman and Hinton, "Lecture 6.5 - rmsprop", Coursera: Neural Networks for Machine Learning,
// 2012; eps and momentum as in torch.optim.RMSprop.)
#pragma once

#include "update.hpp"

namespace handnn {
namespace {

struct RMSProp {
  static constexpr Keeps keeps[2] = {Keeps::always, Keeps::sometimes};
  static constexpr bool is_common = false;
  template <class V>
  static void step(V& param, V& square, V& velocity, V g, const Rates<V>& rates) {
    square = fma(rates.square_weight * g, g, rates.square_decay * square);
    velocity = fma(rates.mean_decay, velocity, g / (square_root(square) + rates.eps));
    param = fma(-rates.lr, velocity, param);
  }
};

}  // namespace
}  // namespace handnn
