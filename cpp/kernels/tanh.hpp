// exp(x) - 1 for x <= 0, and tanh(x), for scalars and vectors, with the same bits on every
// instruction set that has FMA.
//
// Both are exact for x so small that the result rounds to x; NaN stays NaN. Measured over all 2^32
// floats: tanh within 0.90 ulp.
#pragma once

#include "exp.hpp"

namespace handnn {
namespace {

// exp(x) - 1 = high + low, |low| <= 0.2 |high|, for x <= 0 or NaN:
//
//   exp(x) - 1 = (2^n - 1) + 2^n r_high + 2^n rest       see exp.hpp
//
// The first sum has little cancellation, because n = 0 or 2^n - 1 <= -1/2. `low` has the rounding
// errors of 2^n - 1 and of the sum.
template <class V>
struct Expm1Parts {
  V high, low;
};

template <class V>
inline Expm1Parts<V> expm1_parts(V x) {
  using C = ExpConstants<Scalar<V>>;
  const Reduced<V> reduced =
      reduce(at_least(x, constant<V>(-50)));  // the result is -1 from there on
  const V scale = from_bits<V>(bits(reduced.shifted) << C::mantissa_bits);
  const V one = constant<V>(1);
  const V whole = scale - one, r = scale * reduced.r_high;
  const V high = whole + r;
  const V lost = (scale - (whole + one)) + (r - (high - whole));
  return {high, fma(scale, reduced.rest, lost)};
}

template <class V>
inline V expm1_negative(V x) {
  const Expm1Parts<V> parts = expm1_parts(x);
  return parts.high + parts.low;
}

// |tanh x| = -m / (2 + m) with m = exp(-2|x|) - 1, which cannot overflow.
template <class V>
inline Expm1Parts<V> expm1_minus_twice_abs(V x) {
  return expm1_parts(constant<V>(-2) * absolute(x));
}

// One step of Newton's method removes the rounding of m, of 2 + m and of the
// quotient: the remainder of the division times 1 / (2 + m), which is (1 + |tanh x|) / 2.
template <class V>
inline V tanh(V x, Expm1Parts<V> parts) {
  const V two = constant<V>(2), half = constant<V>(0.5);
  const V m = parts.high + parts.low;
  const V m_lost = parts.low - (m - parts.high);
  const V d = two + m;
  const V d_lost = m - (d - two) + m_lost;
  const V quotient = -m / d;
  const V remainder = fma(-quotient, d_lost, fma(-quotient, d, -m) - m_lost);
  const V size = fma(remainder, fma(half, quotient, half), quotient);
  return from_bits<V>(bits(absolute(size)) | (bits(x) & bits(constant<V>(-0.0))));
}
template <class V>
inline V tanh(V x) {
  return tanh(x, expm1_minus_twice_abs(x));
}

}  // namespace
}  // namespace handnn
