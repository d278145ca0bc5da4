// The normal distribution: its density phi(x) = exp(-x^2 / 2) / sqrt(2 pi) and its distribution
// function Phi(x) = (1 + erf(x / sqrt 2)) / 2.
//
//   Phi(-a) = t g(u) exp(-a^2 / 2) for a >= 0,  t = 1 / (1 + a / 4),  u = 2t - 1
//   Phi(a) = 1 - Phi(-a)
//
// This formula holds for every a >= 0. (Press et al., "Numerical Recipes", 3rd edition, section
// 6.2.2, put the polynomial into the exponent, which amplifies its rounding errors.) g decreases
// smoothly from 1/2 at a = 0 to 1 / (4 sqrt(2 pi)), so only the rounding of its last addition
// matters. It is a polynomial, fitted with mpmath at Chebyshev nodes for the relative error over
// all a up to where Phi(-a) is 0; its error is at most 0.36 * 2^-24 (float) and 0.32 * 2^-53
// (double).
//
// Results below the smallest normal number are denormal, not flushed; NaN stays NaN. Measured over
// all 2^32 floats: Phi at most 3.19 ulp, phi at most 1.79.
#pragma once

#include "exp.hpp"

namespace handnn {
namespace {

template <class T>
struct NormalConstants;

template <>
struct NormalConstants<float> {
  static constexpr float end = 14.4f;  // from here on Phi(-a) and phi(a) are 0
  static constexpr int terms = 10;
  static constexpr float g[terms] = {
      0x1.11ac0cp-15f, 0x1.79ebdap-15f, -0x1.9aa852p-12f, -0x1.ccb4eap-11f, 0x1.ed0f8cp-10f,
      0x1.eed698p-7f,  0x1.7e002ep-5f,  0x1.8c6d9p-4f,    0x1.373e38p-3f,   0x1.82b4bcp-3f};
};

template <>
struct NormalConstants<double> {
  static constexpr double end = 38.6;
  static constexpr int terms = 23;
  static constexpr double g[terms] = {
      -0x1.487f77e1fadddp-32, 0x1.4fd75f3fc1b0ep-34, 0x1.f815b13a87368p-29, -0x1.125b23685e40ap-28,
      -0x1.4c738f5a1cdeep-26, 0x1.5006527ec0131p-25, 0x1.1bf5d163ab82dp-24, -0x1.1248c09c55ce3p-22,
      -0x1.4fcf56cb5be3ap-23, 0x1.8d48ba3d1c53p-20,  0x1.7fed4adb4e13dp-23, -0x1.26d0646e21c37p-17,
      -0x1.0012bab1b9624p-21, 0x1.e4a4220291d81p-15, 0x1.17a4a77731385p-15, -0x1.ab825fb2fd4f8p-12,
      -0x1.c81719cc87602p-11, 0x1.ee276104494b4p-10, 0x1.eec4cc3e47fbbp-7,  0x1.7dff2bff68431p-5,
      0x1.8c6dbf2cfc2c6p-4,   0x1.373e3a893c28ap-3,  0x1.82b4bb8c94dcep-3};
};

// exp(-a^2 / 2) for 0 <= a <= NormalConstants::end, or NaN. The rounding error of a^2 is
// compensated, because exp would turn it into a^2 / 2 ulp. It is computed from the square of a's
// upper half, which is exact, and not by fma, so that this also holds without FMA.
template <class V>
inline ExpParts<V> exp_minus_half_square(V a) {
  using C = ExpConstants<Scalar<V>>;
  constexpr int lower_half = C::mantissa_bits / 2 + 1;
  const V upper = from_bits<V>((bits(a) >> lower_half) << lower_half);
  const V square = a * a;
  const V lost = fma(a + upper, a - upper, fma(upper, upper, -square));
  return exp_parts(constant<V>(-0.5) * square, constant<V>(-0.5) * lost);
}

// The smaller of a and the point where the functions become 0.
template <class V>
inline V normal_argument(V x) {
  return at_most(absolute(x), constant<V>(NormalConstants<Scalar<V>>::end));
}

template <class V>
inline V normal_cdf(V x) {
  using C = NormalConstants<Scalar<V>>;
  const V zero = constant<V>(0), one = constant<V>(1);
  const V a = normal_argument(x);
  // t + t_low is 1 / (1 + a / 4): the remainder of the division, and the rounding error of d.
  const V quarter = constant<V>(0.25) * a;
  const V d = one + quarter;
  const V d_lost = quarter - (d - one);
  const V t = one / d;
  const V t_low = t * fma(-t, d_lost, fma(-t, d, one));
  const V u = fma(constant<V>(2), t_low, t + t - one);
  V g = constant<V>(C::g[0]);
  for (int i = 1; i < C::terms; ++i) g = fma(g, u, constant<V>(C::g[i]));
  const ExpParts<V> exp = exp_minus_half_square(a);
  const V n = exp.shifted - constant<V>(ExpConstants<Scalar<V>>::round);
  const V tail = scale_exponent(fma(t, g, t_low * g) * exp.p, n);
  return x > zero ? one - tail : tail;
}

template <class V>
inline V normal_pdf(V x) {
  const ExpParts<V> exp = exp_minus_half_square(normal_argument(x));
  const V n = exp.shifted - constant<V>(ExpConstants<Scalar<V>>::round);
  return scale_exponent(constant<V>(0.3989422804014327) * exp.p, n);
}

}  // namespace
}  // namespace handnn
