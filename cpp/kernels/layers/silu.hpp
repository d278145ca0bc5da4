// SiLU, also called Swish: out = x sigmoid(x)
#pragma once

#include "sigmoid.hpp"

namespace handnn {
namespace {

struct SiLU : InHalves<SiLU> {
  template <class T>
  static constexpr T least = sigmoid_least<T>;
  template <class V>
  static V forward(V x, V) {
    return x * sigmoid(x);
  }
  template <class V>
  static SigmoidParts<V> first_half(V x) {
    return sigmoid_parts(x);
  }
  template <class V>
  static V second_half(V x, SigmoidParts<V> parts) {
    return x * sigmoid(parts);
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
