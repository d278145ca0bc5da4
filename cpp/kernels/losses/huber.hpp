// Huber: the mean over all N O entries of e^2 / 2 where |e| <= delta, and delta (|e| - delta / 2)
// elsewhere, with e = pre - y_true
#pragma once

#include "loss.hpp"

namespace handnn {
namespace {

struct Huber : MeanLoss<Huber> {
  template <class V>
  static V value(V pre, V y_true, V delta) {
    const V size = absolute(pre - y_true), half = constant<V>(0.5);
    return size > delta ? delta * fma(-half, delta, size) : half * size * size;
  }

  template <class V>
  static V slope(V pre, V y_true, V delta) {
    return at_least(at_most(pre - y_true, delta), -delta);
  }
};

}  // namespace
}  // namespace handnn
