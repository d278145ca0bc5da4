// The options of a loss.
#pragma once

#include "../size.hpp"

namespace handnn {

template <class T>
struct LossOptions {
  T setting = 0;               // its number, such as Huber's delta; ignored by most losses
  const T* numbers = nullptr;  // its array: quantiles, or class weights (O), or null
  Size count = 0;              // the length of numbers
  Size columns = 0;            // Y, the columns of y_true
};

}  // namespace handnn
