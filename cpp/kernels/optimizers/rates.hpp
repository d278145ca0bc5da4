// The numbers of one step of an optimizer.
#pragma once

namespace handnn {

// V is float, double, or a vector of them with equal lanes. A "mean" is the running mean of the
// gradients, a "square" that of their squares.
template <class V>
struct Rates {
  V lr;                 // learning rate; Adam's includes the bias correction of its mean
  V weight_decay;       // coupled: times the param, added to the gradient
  V shrink;             // decoupled: the param is multiplied by it first; 1 without decay
  V grad_scale;         // 1, or less where the norm of all gradients is clipped
  V clip;               // limit of the absolute value of a gradient's entries; infinity for none
  V mean_decay;         // momentum, or beta1 of Adam
  V mean_weight;        // 1 - mean_decay
  V square_decay;       // alpha of RMSProp, beta2 of Adam
  V square_weight;      // 1 - square_decay
  V eps;                // added to the denominator for numerical stability
  V square_correction;  // 1 / sqrt(1 - beta2^step): the bias correction of Adam's square
  bool nesterov;
};

}  // namespace handnn
