// Sigmoid: out = 1 / (1 + exp(-x)), within 2 ulp
#pragma once

#include "../elementwise.hpp"
#include "../exp.hpp"

namespace handnn {
namespace {

// With e = exp(-|x|), which cannot overflow, and d = 1 + e: 1 / d for x >= 0, and e / d for x < 0.
//
// For e / d the rounding errors of e, d and the quotient would add up to 2.4 ulp. One step of
// Newton's method removes the last two by adding the remainder of the division, including the
// rounding error of d, times 1 / d, which is out or 1 - out.
template <class V>
inline V sigmoid(V x, ExpParts<V> parts) {
  const V zero = constant<V>(0), one = constant<V>(1);
  const ExpMinusAbs<V> exp = exp_minus_abs(parts);
  const V e = exp.value;
  const V numerator = x < zero ? e : one;
  const V d = one + e;
  const V d_lost = e - (d - one);
  const V quotient = numerator / d;
  const V remainder = fma(-quotient, d_lost, fma(-quotient, d, numerator));
  const V out = fma(remainder, x < zero ? one - quotient : quotient, quotient);
  if (!any(exp.is_tiny)) return out;
  return (exp.is_tiny & (x < zero)) ? tiny_exp(exp) : out;  // d is 1
}

template <class V>
inline V sigmoid(V x) {
  return sigmoid(x, exp_minus_abs_parts(x));
}

struct Sigmoid : InHalves<Sigmoid> {
  template <class V>
  static ExpParts<V> first_half(V x) {
    return exp_minus_abs_parts(x);
  }
  template <class V>
  static V second_half(V x, ExpParts<V> parts) {
    return sigmoid(x, parts);
  }

  // The slope of y = sigmoid(x) is y (1 - y).
  template <class V>
  static V backward(V dout, V y, V) {
    return dout * (constant<V>(1) - y) * y;
  }
};

}  // namespace
}  // namespace handnn
