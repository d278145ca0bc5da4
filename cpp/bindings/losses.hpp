// The checks of a loss's arguments, for its functions and for training.
#pragma once

#include <string>

#include "arrays.hpp"

namespace handnn {

// The index of a loss in loss_facts; raises ValueError for an unknown name.
int loss_called(const Gate& gate, const std::string& name);

// A loss with its setting and its list of numbers, for pre with O columns.
class CheckedLoss {
 public:
  CheckedLoss(const Gate& gate, int which, double setting, const Array& numbers, Size O);

  // Returns Y. Raises ValueError unless y_true is (N, Y), or (N,) when Y is 1, and holds valid
  // targets.
  Size check_targets(const Gate& gate, const Array& y_true, Size N) const;

  template <class T>
  LossOptions<T> options(Size Y) const {
    return {T(setting_), numbers_.object ? static_cast<T*>(numbers_) : nullptr, numbers_.size, Y};
  }

 private:
  void check_shape(const Gate& gate, const Array& y_true, Size N) const;

  const LossFacts& facts_;
  double setting_;
  const Array& numbers_;  // empty, or of the call's dtype
  Size O_;
};

// Raises ValueError unless there is a finite weight, not negative, for each of N rows.
void check_weights(const Gate& gate, const Array& sample_weight, Size N);

}  // namespace handnn
