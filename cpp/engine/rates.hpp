// Computes the rates of one step from an optimizer's settings: in double, rounded to T at the end,
// with multiplications, divisions and square roots only, so that both engines and all machines give
// the same bits.
#pragma once

#include <algorithm>
#include <bit>
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

// Powers of one base by repeated squaring.
class Powers {
 public:
  // The number of powers that are computed at a time.
  static constexpr std::size_t several = 32;

  explicit Powers(double base) {
    for (double& square : squares_) {
      square = base;
      base *= base;
    }
    for (std::size_t k = 0; k < several; ++k) first_[k] = (*this)(k);
  }

  // base^exponent: the factors in ascending order.
  double operator()(std::uint64_t exponent) const {
    double result = 1;
    for (; exponent; exponent &= exponent - 1) result *= squares_[std::countr_zero(exponent)];
    return result;
  }

  // The same for `first` + 0 ... several - 1; `first` is a multiple of `several`, so that all have
  // the same higher factors.
  void operator()(std::uint64_t first, double (&powers)[several]) const {
    std::copy_n(first_, several, powers);
    for (; first; first &= first - 1) {
      for (double& power : powers) power *= squares_[std::countr_zero(first)];
    }
  }

 private:
  double squares_[64];  // base^(2^k)
  double first_[several];
};

// The bias corrections of Adam: after `step` steps, the weights in a running mean that starts at 0
// add up to 1 - decay^step.
struct Corrections {
  double mean = 1;            // divides the learning rate
  double root_of_square = 1;  // divides the root of the running mean of squares
  bool are_final = true;      // whether they are 1 in all later steps, too
};
class BiasCorrection {
 public:
  explicit BiasCorrection(const OptimizerSettings& with)
      : is_used_(optimizer_facts[with.which].corrects_bias),
        mean_powers_(with.mean_decay),
        square_powers_(with.square_decay) {}

  Corrections operator()(std::uint64_t step) const {
    if (!is_used_) return {};
    const double mean = mean_powers_(step), square = square_powers_(step);
    // Differences from 1 round to 1 below 2^-54; the rest is a margin for rounding errors.
    return {1 - mean, std::sqrt(1 - square), std::max(mean, square) < 0x1p-60};
  }

  // The rates of `several` steps from `first` on, a multiple of it, for an optimizer that corrects
  // them: as rates<T> computes them from these learning rates.
  static constexpr std::size_t several = Powers::several;
  template <class T>
  void operator()(std::uint64_t first, double w_lr, double b_lr, CorrectedRates<T>* rates) const {
    double mean[several], square[several];
    mean_powers_(first, mean);
    square_powers_(first, square);
    for (std::size_t k = 0; k < several; ++k) {
      mean[k] = 1 - mean[k];
      rates[k] = {T(w_lr / mean[k]), T(b_lr / mean[k]), T(1 / std::sqrt(1 - square[k]))};
    }
  }

 private:
  bool is_used_;
  Powers mean_powers_, square_powers_;
};

template <class T>
Rates<T> rates(const OptimizerSettings& with, const Corrections& correct) {
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
  return rates<T>(with, BiasCorrection(with)(with.step));
}

// The factor of all gradients that brings their norm to at most clip_norm, as
// torch.nn.utils.clip_grad_norm_ computes it: 1e-6 is added for numerical stability. NaN stays NaN.
inline double clip_scale(double clip_norm, double sum_of_squares) {
  const double scale = clip_norm / (std::sqrt(sum_of_squares) + 1e-6);
  return scale > 1 ? 1 : scale;
}

}  // namespace handnn
