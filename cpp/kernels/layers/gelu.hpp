// GELU: out = x Phi(x), Phi the standard normal distribution function; or its tanh approximation,
//   out = x (1 + tanh(u)) / 2,  u = sqrt(2 / pi) (x + 0.044715 x^3)
//
// (Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016, section 2.)
#pragma once

#include "../elementwise.hpp"
#include "../erf.hpp"
#include "sigmoid.hpp"

namespace handnn {
namespace {

struct GELU : WithSlope<GELU> {
  // d out / d x = Phi(x) + x phi(x)
  template <class V>
  static OutAndSlope<V> both(V x, V) {
    const V cdf = normal_cdf(x);
    return {x * cdf, fma(x, normal_pdf(x), cdf)};
  }
};

// (1 + tanh(u)) / 2 is sigmoid(2u), so the slope is s + x s (1 - s) d(2u)/dx.
struct GELUTanh {
  static constexpr double k = 1.5957691216057308, cubic = 0.044715;  // k = 2 sqrt(2 / pi)

  template <class V>
  static V gate(V x) {
    return sigmoid(constant<V>(k) * x * fma(constant<V>(cubic) * x, x, constant<V>(1)));
  }

  template <class V>
  static V forward(V x, V) {
    return x * gate(x);
  }

  template <class V>
  static V backward(V dout, V x, V) {
    const V s = gate(x);
    const V du = constant<V>(k) * fma(constant<V>(3 * cubic) * x, x, constant<V>(1));
    return dout * fma(x * s * (constant<V>(1) - s), du, s);
  }
};

}  // namespace
}  // namespace handnn
