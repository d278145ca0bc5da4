// Tanh: out = tanh(x), within 2 ulp
#pragma once

#include "../elementwise.hpp"
#include "../tanh.hpp"

namespace handnn {
namespace {

struct Tanh : InHalves<Tanh> {
  template <class V>
  static Expm1Parts<V> first_half(V x) {
    return expm1_minus_twice_abs(x);
  }
  template <class V>
  static V second_half(V x, Expm1Parts<V> parts) {
    return tanh(x, parts);
  }

  // The slope of y = tanh(x) is 1 - y^2, written as a product to avoid cancellation near y = 1.
  template <class V>
  static V backward(V dout, V y, V) {
    return dout * ((constant<V>(1) - y) * (constant<V>(1) + y));
  }
};

}  // namespace
}  // namespace handnn
