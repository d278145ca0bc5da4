// Computes the rates of one step from an optimizer's settings: in double, rounded to T at the end,
// with multiplications, divisions and square roots only, so that both engines and all machines give
// the same bits.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/table.hpp"

namespace handnn {

struct OptimizerSettings {
  int which = 0;  // index into optimizer_facts, which names the two decays
  double lr = 0, mean_decay = 0, square_decay = 0, eps = 0, weight_decay = 0;
  double clip_value = std::numeric_limits<double>::infinity(), grad_scale = 1;
  bool nesterov = false;
  bool decoupled = false;  // weight decay shrinks the param instead of being added to the gradient
  std::uint64_t step = 1;  // the number of this step, from 1
};

// base^exponent by repeated squaring.
inline double power(double base, std::uint64_t exponent) {
  double result = 1;
  for (; exponent; exponent >>= 1, base *= base) {
    if (exponent & 1) result *= base;
  }
  return result;
}

// The bias corrections of Adam: after `step` steps, the weights in a running mean that starts at 0
// add up to 1 - decay^step.
struct Corrections {
  double mean = 1;            // divides the learning rate
  double root_of_square = 1;  // divides the root of the running mean of squares
};
inline Corrections corrections(const OptimizerSettings& with) {
  if (!optimizer_facts[with.which].corrects_bias) return {};
  return {1 - power(with.mean_decay, with.step),
          std::sqrt(1 - power(with.square_decay, with.step))};
}

template <class T>
Rates<T> rates(const OptimizerSettings& with, Corrections correct) {
  return {
      .lr = T(with.lr / correct.mean),
      .weight_decay = T(with.decoupled ? 0 : with.weight_decay),
      .shrink = T(with.decoupled ? 1 - with.lr * with.weight_decay : 1),
      .grad_scale = T(with.grad_scale),
      .clip = T(with.clip_value),
      .mean_decay = T(with.mean_decay),
      .mean_weight = T(1 - with.mean_decay),
      .square_decay = T(with.square_decay),
      .square_weight = T(1 - with.square_decay),
      .eps = T(with.eps),
      .square_correction = T(1 / correct.root_of_square),
      .nesterov = with.nesterov,
  };
}
template <class T>
Rates<T> rates(const OptimizerSettings& with) {
  return rates<T>(with, corrections(with));
}

// The factor of all gradients that brings their norm to at most clip_norm, as
// torch.nn.utils.clip_grad_norm_ computes it: 1e-6 is added for numerical stability. NaN stays NaN.
inline double clip_scale(double clip_norm, double sum_of_squares) {
  const double scale = clip_norm / (std::sqrt(sum_of_squares) + 1e-6);
  return scale > 1 ? 1 : scale;
}

}  // namespace handnn
