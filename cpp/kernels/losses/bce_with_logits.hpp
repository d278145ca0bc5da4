// BCEWithLogits: the mean over all N O entries of -y log p - (1 - y) log(1 - p), p = sigmoid(pre)
#pragma once

#include "../layers/softplus.hpp"
#include "loss.hpp"

namespace handnn {
namespace {

struct BCEWithLogits : MeanLoss<BCEWithLogits> {
  // softplus(pre) - y pre without cancellation for large pre: y pre is subtracted from max(pre, 0)
  // before log(1 + exp(-|pre|)) is added.
  template <class V>
  static V value(V pre, V y_true, V) {
    const V rest = pre < constant<V>(0) ? -y_true : constant<V>(1) - y_true;
    return fma(rest, pre, log1p(exp(-absolute(pre))));
  }

  template <class V>
  static V slope(V pre, V y_true, V) {
    return sigmoid(pre) - y_true;
  }
};

}  // namespace
}  // namespace handnn
