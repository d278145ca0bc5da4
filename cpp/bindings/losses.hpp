// What a loss takes, checked: for its functions, and for a network that is trained with it.
#pragma once

#include <string>

#include "arrays.hpp"

namespace handnn {

// The number of a loss in the table; ValueError for another name.
int loss_called(const Gate& gate, const std::string& name);

// A loss with its number and its array, for pre with O columns.
class CheckedLoss {
 public:
  CheckedLoss(const Gate& gate, int which, double setting, const Array& numbers, Size O);

  // Y, after y_true has been seen to be (N, Y), or (N,) when Y is 1, and to hold what the loss
  // takes.
  Size check_targets(const Gate& gate, const Array& y_true, Size N) const;

  template <class T>
  LossOptions<T> options(Size Y) const {
    return {T(setting_), numbers_.object ? static_cast<T*>(numbers_) : nullptr, numbers_.size, Y};
  }

 private:
  void check_shape(const Gate& gate, const Array& y_true, Size N) const;

  const LossFacts& facts_;
  double setting_;
  const Array& numbers_;  // none, or of the call's dtype
  Size O_;
};

// That there is a weight for each of N rows, none of them negative or infinite.
void check_weights(const Gate& gate, const Array& sample_weight, Size N);

}  // namespace handnn
