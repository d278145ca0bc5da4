// MAE: the mean over all N O entries of |pre - y_true|
//
// The slope where both are equal is 0.
#pragma once

#include "loss.hpp"

namespace handnn {
namespace {

struct MAE : MeanLoss<MAE> {
  template <class V>
  static V value(V pre, V y_true, V) {
    return absolute(pre - y_true);
  }

  // The sign of the error; 0 and NaN are returned unchanged.
  template <class V>
  static V slope(V pre, V y_true, V) {
    const V error = pre - y_true;
    const V zero = constant<V>(0), one = constant<V>(1);
    return error > zero ? one : (error < zero ? -one : error);
  }
};

}  // namespace
}  // namespace handnn
