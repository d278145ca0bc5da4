// ELU: out = alpha (exp(x) - 1) where x < 0, and x elsewhere
#pragma once

#include "../elementwise.hpp"
#include "../tanh.hpp"

namespace handnn {
namespace {

struct ELU {
  template <class V>
  static V forward(V x, V alpha) {
    const V zero = constant<V>(0);
    return x < zero ? alpha * expm1_negative(x < zero ? x : zero) : x;
  }

  // The slope alpha exp(x) is out + alpha, so backward needs only the output.
  template <class V>
  static V backward(V dout, V out, V alpha) {
    return out < constant<V>(0) ? dout * (out + alpha) : dout;
  }
};

}  // namespace
}  // namespace handnn
