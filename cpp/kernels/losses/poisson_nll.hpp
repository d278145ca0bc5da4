// PoissonNLL: the mean over all N O entries of exp(pre) - y_true pre, pre the logarithm of the rate
//
// The part of the negative log-likelihood that depends on pre: log(y_true!) is left out.
#pragma once

#include "../exp.hpp"
#include "loss.hpp"

namespace handnn {
namespace {

struct PoissonNLL : MeanLoss<PoissonNLL> {
  template <class V>
  static V value(V pre, V y_true, V) {
    return fma(-y_true, pre, exp(pre));
  }

  template <class V>
  static V slope(V pre, V y_true, V) {
    return exp(pre) - y_true;
  }
};

}  // namespace
}  // namespace handnn
