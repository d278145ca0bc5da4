// From an optimizer's settings to the rates of one step. In double, rounded to T at the end, by
// multiplications and square roots alone: so that both engines, and every machine, get the same.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/optimizers/rates.hpp"

namespace handnn {

struct OptimizerSettings {
  int which = 0;  // in the table
  double lr = 0, momentum = 0, beta1 = 0, beta2 = 0, alpha = 0, epsilon = 0, weight_decay = 0;
  double clip_value = std::numeric_limits<double>::infinity(), grad_scale = 1;
  bool nesterov = false;
  bool decoupled = false;  // weight decay shrinks the param instead of being added to the gradient
  std::uint64_t step = 1;  // the number of this step, from 1
};

// base^exponent by repeated squaring.
inline double power(double base, std::uint64_t exponent) {
  if (base == 0 && exponent) return 0;  // most optimizers have no beta
  double result = 1;
  for (; exponent; exponent >>= 1, base *= base) {
    if (exponent & 1) result *= base;
  }
  return result;
}

// What a mean that started at 0 is short of, after step steps: 1 for a beta of 0.
struct Corrections {
  double first, second;
};
inline Corrections corrections(const OptimizerSettings& with) {
  return {1 - power(with.beta1, with.step), 1 - power(with.beta2, with.step)};
}

template <class T>
Rates<T> rates(const OptimizerSettings& with, Corrections correct) {
  const double first = with.momentum + with.beta1;  // each optimizer has one of them at most
  const double second = with.alpha + with.beta2;
  return {
      .lr = T(with.lr / correct.first),
      .weight_decay = T(with.decoupled ? 0 : with.weight_decay),
      .shrink = T(with.decoupled ? 1 - with.lr * with.weight_decay : 1),
      .grad_scale = T(with.grad_scale),
      .clip = T(with.clip_value),
      .first = T(first),
      .first_rest = T(1 - first),
      .second = T(second),
      .second_rest = T(1 - second),
      .epsilon = T(with.epsilon),
      .correction = T(1 / std::sqrt(correct.second)),
      .nesterov = with.nesterov,
  };
}
template <class T>
Rates<T> rates(const OptimizerSettings& with) {
  return rates<T>(with, corrections(with));
}

// What all gradients are multiplied by so that their norm is clip_norm at the most, or nearly: as
// in torch.nn.utils.clip_grad_norm_, 1e-6 keeps it from being a division by 0. NaN stays NaN.
inline double clip_scale(double clip_norm, double sum_of_squares) {
  const double scale = clip_norm / (std::sqrt(sum_of_squares) + 1e-6);
  return scale > 1 ? 1 : scale;
}

}  // namespace handnn
