// exp(x) for scalars and vectors, within 1 ulp and with the same bits on every instruction set that
// has FMA.
//
//   x = n ln 2 + r,  |r| <= ln 2 / 2        n = x / ln 2 rounded to an integer
//   exp(x) = 2^n (1 + r + r^2 q(r))         q a minimax polynomial
//
// ln 2 is split into a short high part, whose product with n is exact, and the rest (Cody and
// Waite, "Software Manual for the Elementary Functions", 1980, chapter 6). q minimizes the relative
// error over |r| <= 1.02 ln 2 / 2, which is at most 0.07 * 2^-24 (float) and 0.05 * 2^-53 (double);
// it was computed with Sollya's fpminimax. Results below the smallest normal number are denormal,
// not flushed; NaN stays NaN. Measured over all 2^32 floats: at most 0.78 ulp.
#pragma once

#include "simd.hpp"

namespace handnn {
namespace {

template <class T>
struct ExpConstants;

template <>
struct ExpConstants<float> {
  static constexpr float largest = 89.0f, smallest = -105.0f;  // the result is inf or 0 beyond
  static constexpr float least_normal = -0x1.5d589ep6f;        // the result is denormal below
  static constexpr float ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;
  static constexpr int mantissa_bits = 23, exponent_bias = 127;
  // Adding it leaves n + exponent_bias in the last bits.
  static constexpr float round = 0x1.8p23f + exponent_bias;
  static constexpr int terms = 5;
  static constexpr float q[terms] = {0x1.698b12p-10f, 0x1.12456ap-7f, 0x1.555a02p-5f,
                                     0x1.555482p-3f, 0x1.fffffap-2f};
};

template <>
struct ExpConstants<double> {
  static constexpr double largest = 710.0, smallest = -746.0;
  static constexpr double least_normal = -0x1.6232bdd7abcd2p9;
  static constexpr double ln2_high = 0x1.62e42fefa4p-1, ln2_low = -0x1.8432a1b0e2634p-43;
  static constexpr int mantissa_bits = 52, exponent_bias = 1023;
  static constexpr double round = 0x1.8p52 + exponent_bias;
  static constexpr int terms = 10;
  static constexpr double q[terms] = {
      0x1.ad85f2cd9ec1cp-26, 0x1.28b5de4089686p-22, 0x1.71df2e216dd2ep-19, 0x1.a0199115958f4p-16,
      0x1.a01a0120843bep-13, 0x1.6c16c1876741ep-10, 0x1.111111112aa49p-7,  0x1.555555554fa09p-5,
      0x1.55555555554eap-3,  0x1.000000000000cp-1};
};

// a * 2^n, rounded once, for integral n from -1100 to 1100: 2^n in two factors, each a normal
// number, so that only the second product can round.
template <class V>
inline V scale_exponent(V a, V n) {
  using C = ExpConstants<Scalar<V>>;
  const V round = constant<V>(C::round);
  const Int<V> exponent = bits(n + round) - bits(round);
  const Int<V> half = exponent >> 1;
  const V scale_1 = from_bits<V>((half + C::exponent_bias) << C::mantissa_bits);
  const V scale_2 = from_bits<V>((exponent - half + C::exponent_bias) << C::mantissa_bits);
  return a * scale_1 * scale_2;
}

// q(r), or q(-r) if the sign is -1.
template <int sign = 1, class V>
inline V exp_polynomial(V r) {
  using C = ExpConstants<Scalar<V>>;
  const auto q = [](int i) { return (C::terms - i) % 2 ? C::q[i] : sign * C::q[i]; };
  V sum = constant<V>(q(0));
  for (int i = 1; i < C::terms; ++i) sum = fma(sum, r, constant<V>(q(i)));
  return sum;
}

// exp(x) = 2^n (1 + r_high + rest), |r_high| <= 0.35; shifted = n + C::round.
template <class V>
struct Reduced {
  V r_high, rest, shifted;
};

// Reduces x + x_low, where x is NaN or between C::smallest and C::largest, and x_low is at most
// half an ulp of x.
template <class V>
inline Reduced<V> reduce(V x, V x_low = constant<V>(0)) {
  using C = ExpConstants<Scalar<V>>;
  const V shifted = fma(x, constant<V>(1.4426950408889634), constant<V>(C::round));
  const V n = shifted - constant<V>(C::round);
  const V r_high = fma(n, constant<V>(-C::ln2_high), x);
  const V r_low = fma(n, constant<V>(C::ln2_low), -x_low);
  const V r = r_high - r_low;
  return {r_high, fma(r * r, exp_polynomial(r), -r_low), shifted};
}

// exp(x) = p 2^n, p from 0.7 to 1.42; shifted = n + C::round.
template <class V>
struct ExpParts {
  V p, shifted;
};

// exp(x + x_low), with the arguments of reduce. The rounding error of 1 + r_high is compensated, so
// that only the last addition rounds by half an ulp.
template <class V>
inline ExpParts<V> exp_parts(V x, V x_low = constant<V>(0)) {
  const Reduced<V> reduced = reduce(x, x_low);
  const V sum = constant<V>(1.0) + reduced.r_high;
  const V lost = reduced.r_high - (sum - constant<V>(1.0));
  return {sum + (lost + reduced.rest), reduced.shifted};
}

template <class V>
inline V exp(V x) {
  using C = ExpConstants<Scalar<V>>;
  const V in_range = at_most(at_least(x, constant<V>(C::smallest)), constant<V>(C::largest));
  const ExpParts<V> parts = exp_parts(in_range);
  return scale_exponent(parts.p, parts.shifted - constant<V>(C::round));
}

// exp(x) for x below C::least_normal, where it is denormal or 0. Arithmetic with denormal numbers
// is slow: adding 2^mantissa_bits rounds the result to a multiple of the smallest of them, and the
// integer left in the mantissa is its bit pattern. For larger x, it is that of C::least_normal.
template <class V>
inline V tiny_exp(V x) {
  using C = ExpConstants<Scalar<V>>;
  const V in_range = at_most(at_least(x, constant<V>(C::smallest)), constant<V>(C::least_normal));
  const ExpParts<V> parts = exp_parts(in_range);
  const Int<V> power = bits(parts.shifted) + (C::exponent_bias - 1 + C::mantissa_bits);
  const V one = constant<V>(Scalar<V>(std::uint64_t(1) << C::mantissa_bits));
  const V rounded = fma(parts.p, from_bits<V>(power << C::mantissa_bits), one);
  return from_bits<V>(bits(rounded) - bits(one));
}

}  // namespace
}  // namespace handnn
