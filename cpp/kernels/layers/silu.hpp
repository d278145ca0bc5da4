// SiLU, also called Swish: out = x sigmoid(x)
#pragma once

#include "sigmoid.hpp"

namespace handnn {
namespace {

struct SiLU {
  template <class V>
  static V forward(V x, V) {
    return x * sigmoid(x);
  }

  // d out / d x = s + x s (1 - s) with s = sigmoid(x)
  template <class V>
  static V backward(V dout, V x, V) {
    const V s = sigmoid(x);
    return dout * fma(x * s, constant<V>(1) - s, s);
  }
};

}  // namespace
}  // namespace handnn
