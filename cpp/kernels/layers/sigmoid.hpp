// Sigmoid: out = 1 / (1 + exp(-x)), within 2 ulp
#pragma once

#include "../elementwise.hpp"
#include "../exp.hpp"

namespace handnn {
namespace {

// exp(-x) = scale (1 + rest), scale = 2^n, |rest| <= 0.42; shifted = n + C::round.
template <class V>
struct SigmoidParts {
  V rest, shifted;
};

// The result is 1 for x >= 40.
template <class V>
inline SigmoidParts<V> sigmoid_parts(V x) {
  using C = ExpConstants<Scalar<V>>;
  const V in_range = at_most(x, constant<V>(40));
  const V shifted = fma(in_range, constant<V>(-1.4426950408889634), constant<V>(C::round));
  const V n = shifted - constant<V>(C::round);
  const V minus_r = fma(n, constant<V>(C::ln2_low), fma(n, constant<V>(C::ln2_high), in_range));
  return {fma(minus_r * minus_r, exp_polynomial<-1>(minus_r), -minus_r), shifted};
}

// For x from sigmoid_least on. The sum 1 + scale + scale rest rounds by half an ulp only at its
// end: `lost` is the 1 that a large scale loses, or the scale that 1 loses.
template <class T>
constexpr T sigmoid_least = ExpConstants<T>::least_normal;
template <class V>
inline V sigmoid(SigmoidParts<V> parts) {
  const V one = constant<V>(1);
  const V scale = from_bits<V>(bits(parts.shifted) << ExpConstants<Scalar<V>>::mantissa_bits);
  const V whole = one + scale;
  const V lost = one - (whole - scale);
  return one / (whole + fma(scale, parts.rest, lost));
}

// Below it, where exp(-x) may be infinite, the result is exp(x).
template <class V>
inline V sigmoid(V x) {
  const V out = sigmoid(sigmoid_parts(x));
  const Mask<V> is_tiny = x < constant<V>(sigmoid_least<Scalar<V>>);
  if (!any(is_tiny)) return out;
  return is_tiny ? tiny_exp(x) : out;
}

struct Sigmoid : InHalves<Sigmoid> {
  template <class T>
  static constexpr T least = sigmoid_least<T>;
  template <class V>
  static V forward(V x, V) {
    return sigmoid(x);
  }
  template <class V>
  static SigmoidParts<V> first_half(V x) {
    return sigmoid_parts(x);
  }
  template <class V>
  static V second_half(V, SigmoidParts<V> parts) {
    return sigmoid(parts);
  }

  // The slope of y = sigmoid(x) is y (1 - y).
  template <class V>
  static V backward(V dout, V y, V) {
    return dout * (constant<V>(1) - y) * y;
  }
};

}  // namespace
}  // namespace handnn
