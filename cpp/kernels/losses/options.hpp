// The options and the partial sums of a loss.
#pragma once

#include "../size.hpp"

namespace handnn {

// The number of partial sums of a loss; sums.hpp tells which terms each has.
inline constexpr int partial_sums = 16;

template <class T>
struct LossOptions {
  T setting = 0;               // its number, such as Huber's delta; ignored by most losses
  const T* numbers = nullptr;  // its array: quantiles, or class weights (O), or null
  Size count = 0;              // the length of numbers
  Size columns = 0;            // Y, the columns of y_true
};

// What one pass over a batch computes: sums (partial_sums) += the terms of the loss, unless it is
// null, and dx (N, O), overwritten.
template <class T>
struct SumsAndSlopes {
  double* sums;
  T* dx;
};

}  // namespace handnn
