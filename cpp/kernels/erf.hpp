// The normal distribution: its density phi(x) = exp(-x^2 / 2) / sqrt(2 pi) and its distribution
// function Phi(x) = (1 + erf(x / sqrt 2)) / 2.
//
//   Phi(-a) = t G(t) exp(-a^2 / 2) for a >= 0,  t = 1 / (1 + 5/16 a),  Phi(a) = 1 - Phi(-a)
//
// which is one formula for every a, as in Numerical Recipes, 3rd edition, section 6.2.2. G is
// smooth from t = 0, where it is 5/16 / sqrt(2 pi), to t = 1, where it is 1/2. It is a polynomial
// in u = 2t - 1: its Chebyshev series on [-1, 1], cut where the rest is below 2^-31 (float) and
// 2^-57 (double).
#pragma once

#include "exp.hpp"

namespace handnn {
namespace {

template <class T>
struct NormalConstants;

template <>
struct NormalConstants<float> {
  static constexpr int terms = 12;
  static constexpr float g[terms] = {0x1.cb77dap-18f, -0x1.c04274p-20f, -0x1.e0c3c6p-15f,
                                     0x1.08f9bap-15f, 0x1.73fa24p-12f,  -0x1.e0e61ap-13f,
                                     -0x1.53449cp-9f, -0x1.0947d2p-11f, 0x1.7b0daap-6f,
                                     0x1.54469ap-4f,  0x1.55a27cp-3f,   0x1.d6f7dep-3f};
};

template <>
struct NormalConstants<double> {
  static constexpr int terms = 26;
  static constexpr double g[terms] = {
      0x1.9e81f52e05a67p-36,  0x1.15704dffe8773p-31,  -0x1.1922fcbbffa5bp-30,
      -0x1.e27a572e9b887p-29, 0x1.43d1d8aa2d96dp-27,  0x1.c0e0397a3f7b3p-28,
      -0x1.7888952a1890bp-25, 0x1.13239d752a891p-25,  0x1.dc0eae60dec89p-24,
      -0x1.31ddbd3539ad5p-22, -0x1.f8f8a1eb8ec71p-30, 0x1.3d3953388611cp-20,
      -0x1.bd5092b30e9dp-20,  -0x1.a5b3395627029p-19, 0x1.8456caf36d5e6p-17,
      0x1.9fe5a5b956377p-19,  -0x1.079f81c034747p-14, 0x1.cf947a8fd4903p-16,
      0x1.7755fd8ac9656p-12,  -0x1.dd43679d27384p-13, -0x1.536336a2135ecp-9,
      -0x1.0978e9ae508b5p-11, 0x1.7b0e21ca60667p-6,   0x1.5446a23bdd503p-4,
      0x1.55a27afbf69aap-3,   0x1.d6f7deabe228cp-3};
};

// exp(-a^2 / 2) for a from 0 to 40, where it has become 0. The rounding of a^2 is put back, since
// times a large exponent it would be felt. It is found by splitting a in two halves whose products
// are exact (Dekker, "A Floating-Point Technique for Extending the Available Precision", Numerische
// Mathematik 18, 1971), which needs no FMA.
template <class V>
inline V exp_minus_half_square(V a) {
  constexpr int half = sizeof(Scalar<V>) == 4 ? 12 : 27;
  const V high = from_bits<V>(bits(a) >> half << half), low = a - high;
  const V square = a * a;
  const V lost = (high * high - square) + constant<V>(2) * high * low + low * low;
  const V e = exp(constant<V>(-0.5) * square);
  return fma(constant<V>(-0.5) * lost, e, e);
}

template <class V>
inline V normal_cdf(V x) {
  using C = NormalConstants<Scalar<V>>;
  const V zero = constant<V>(0), one = constant<V>(1);
  const V a = at_most(absolute(x), constant<V>(40));
  const V t = one / fma(constant<V>(0.3125), a, one);
  const V u = fma(constant<V>(2), t, -one);
  V g = constant<V>(C::g[0]);
  for (int i = 1; i < C::terms; ++i) g = fma(g, u, constant<V>(C::g[i]));
  const V tail = t * g * exp_minus_half_square(a);
  return x > zero ? one - tail : tail;
}

template <class V>
inline V normal_pdf(V x) {
  const V a = at_most(absolute(x), constant<V>(40));
  return constant<V>(0.3989422804014327) * exp_minus_half_square(a);
}

}  // namespace
}  // namespace handnn
