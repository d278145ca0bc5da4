// The numbers of one step of an optimizer.
#pragma once

namespace handnn {

// V is float, double, or a vector of them, every lane alike.
template <class V>
struct Rates {
  V lr;            // the learning rate
  V weight_decay;  // coupled: added to the gradient, times the param
  V shrink;        // decoupled: what the param is multiplied by first, 1 for no decay
  V grad_scale;    // 1, or less where the norm of all gradients is clipped
  V clip;          // every entry of the gradient is held within +-clip; infinity for no limit
  V first;         // of the mean of gradients: momentum, beta1
  V first_rest;    // 1 - beta1
  V second;        // of the mean of their squares: alpha, beta2
  V second_rest;   // 1 - alpha, 1 - beta2
  V epsilon;       // keeps a division by a root from being one by 0
  V correction;    // of the root of the squares, which start at 0: 1 / sqrt(1 - beta2^step)
  bool nesterov;
};

}  // namespace handnn
