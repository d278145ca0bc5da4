// Softplus: out = log(1 + exp(x)), a smooth ReLU
#pragma once

#include "../log.hpp"
#include "sigmoid.hpp"

namespace handnn {
namespace {

// max(x, 0) + log(1 + exp(-|x|)), which cannot overflow.
template <class V>
inline V softplus(V x) {
  const V zero = constant<V>(0);
  return (x < zero ? zero : x) + log1p(exp(-absolute(x)));
}

struct Softplus {
  template <class V>
  static V forward(V x, V) {
    return softplus(x);
  }

  template <class V>
  static V backward(V dout, V x, V) {
    return dout * sigmoid(x);
  }
};

}  // namespace
}  // namespace handnn
