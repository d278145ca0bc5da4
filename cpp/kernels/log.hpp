// log(x) for x >= 1 and log(1 + y) for 0 <= y <= 1, within 1 ulp. Sums of exponentials have no
// other arguments.
//
//   x = 2^n m, sqrt(1/2) <= m < sqrt 2      f = m - 1,  s = f / (2 + f)
//   log m = 2 atanh(s) = f - (f^2/2 - s (f^2/2 + R)),  R = s^2 (2/3 + 2/5 s^2 + 2/7 s^4 + ...)
//
// (as in fdlibm's e_log.c, Sun Microsystems 1993). s^2 is at most 0.0295, so the series itself
// serves as the polynomial.
#pragma once

#include "exp.hpp"

namespace handnn {
namespace {

template <class T>
constexpr int log_terms = sizeof(T) == 4 ? 4 : 10;

// log(x + rest) for x >= 1, `relative` = rest / x below half an ulp of 1. Infinity and NaN stay.
template <class V>
inline V log_with_rest(V x, V relative) {
  using T = Scalar<V>;
  using C = ExpConstants<T>;
  const V one = constant<V>(1), infinite = constant<V>(double(__builtin_inff()));
  const Int<V> above = bits(x) - bits(constant<V>(0.7071067811865476));
  const Int<V> exponent = above >> C::mantissa_bits;
  const V m = from_bits<V>(bits(x) - (exponent << C::mantissa_bits));
  const V to_number = constant<V>(C::round);
  const V n = from_bits<V>(bits(to_number) + exponent) - to_number;

  const V f = m - one;
  const V s = f / (constant<V>(2) + f);
  const V square = s * s;
  V series = constant<V>(2.0 / (2 * log_terms<T> + 1));
  for (int k = log_terms<T> - 1; k > 0; --k)
    series = fma(series, square, constant<V>(2.0 / (2 * k + 1)));
  const V half_square = constant<V>(0.5) * f * f;
  const V correction =
      fma(s, fma(series, square, half_square), fma(n, constant<V>(C::ln2_low), relative));
  const V log = fma(n, constant<V>(C::ln2_high), f - (half_square - correction));
  return x < infinite ? log : x;
}

template <class V>
inline V log(V x) {
  return log_with_rest(x, constant<V>(0));
}

template <class V>
inline V log1p(V y) {
  const V one = constant<V>(1), sum = one + y;
  return log_with_rest(sum, (y - (sum - one)) / sum);
}

}  // namespace
}  // namespace handnn
