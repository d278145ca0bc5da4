// exp(x) - 1 for x <= 0, and tanh, at most 2 ulp off.
#pragma once

#include "exp.hpp"

namespace handnn {
namespace {

// 2^n (r + r^2 q) + (2^n - 1), with what the addition loses put back; see exp.hpp.
template <class V>
inline V expm1_negative(V x) {
  using C = ExpConstants<Scalar<V>>;
  const V one = constant<V>(1);
  const Reduced<V> reduced = reduce(at_least(x, constant<V>(-50)));  // -1 is reached before
  const V scale = from_bits<V>(bits(reduced.shifted) << C::mantissa_bits);
  const V high = scale - one, r = scale * reduced.r_high;
  const V sum = high + r;
  return sum + ((r - (sum - high)) + scale * reduced.rest);
}

// |tanh x| = -m / (2 + m), m = exp(-2|x|) - 1. One step of Newton's method removes the rounding of
// the quotient and of its denominator, as in sigmoid.hpp; 1 / (2 + m) is (1 + |tanh x|) / 2.
template <class V>
inline V tanh(V x) {
  const V two = constant<V>(2), half = constant<V>(0.5);
  const V m = expm1_negative(constant<V>(-2) * absolute(x));
  const V d = two + m;
  const V d_lost = m - (d - two);
  const V quotient = -m / d;
  const V remainder = fma(-quotient, d_lost, fma(-quotient, d, -m));
  const V size = fma(remainder, fma(half, quotient, half), quotient);
  return from_bits<V>(bits(absolute(size)) | (bits(x) & bits(constant<V>(-0.0))));
}

}  // namespace
}  // namespace handnn
