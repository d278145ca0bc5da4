// Adam: the running mean of the gradients, divided by the root of the running mean of their squares
//
//   mean = beta1 mean + (1 - beta1) g
//   square = beta2 square + (1 - beta2) g^2
//   param = shrink param - lr / (1 - beta1^step) mean / (sqrt(square / (1 - beta2^step)) + eps)
//
// The bias correction of the mean is part of the rates' lr. (Kingma and Ba, "Adam: A Method for
// Stochastic Optimization", ICLR 2015, algorithm 1; AdamW, where decay shrinks the param instead of
// being added to the gradient: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR
// 2019, algorithm 2.)
#pragma once

#include "update.hpp"

namespace handnn {
namespace {

struct Adam {
  static constexpr Keeps keeps[2] = {Keeps::always, Keeps::always};
  static constexpr bool is_common = true;
  template <class V>
  static void step(V& param, V& mean, V& square, V g, const Rates<V>& rates) {
    mean = fma(rates.mean_weight, g, rates.mean_decay * mean);
    square = fma(rates.square_weight * g, g, rates.square_decay * square);
    const V root = fma(square_root(square), rates.square_correction, rates.eps);
    param = fma(-rates.lr, mean / root, rates.shrink * param);
  }
};

}  // namespace
}  // namespace handnn
