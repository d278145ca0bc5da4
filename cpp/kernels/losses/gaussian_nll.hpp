// GaussianNLL: the mean over all N Y entries of (s + (m - y_true)^2 exp(-s)) / 2
//
// pre (N, 2 Y): first the means m, then the logarithms s of the variances. The constant
// log(2 pi) / 2 of the negative log-likelihood is left out.
#pragma once

#include "../exp.hpp"
#include "loss.hpp"

namespace handnn {
namespace {

// Scalar, because a batch has few targets.
struct GaussianNLL : OwnTwin<GaussianNLL> {
  template <class T>
  static double forward(const T* pre, const T* y_true, const T* weight, const LossOptions<T>& with,
                        Size N, Size) {
    const Size Y = with.columns;
    return sum_of_terms_naive<T>(weight, N * Y, Y,
                                 [&](Size i) {
                                   const T* mean = pre + i + i / Y * Y;
                                   const T log_variance = mean[Y], error = *mean - y_true[i];
                                   return T(0.5) *
                                          fma(error * error, exp(-log_variance), log_variance);
                                 }) /
           double(N * Y);
  }

  template <class T>
  static void backward(T* dx, const T* pre, const T* y_true, const T* weight,
                       const LossOptions<T>& with, T scale, Size N, Size) {
    const Size Y = with.columns;
    for (Size i = 0; i < N * Y; ++i) {
      const Size n = i / Y, at = i + n * Y;
      const T factor = weight ? scale * weight[n] : scale;
      const T error = pre[at] - y_true[i], precision = exp(-pre[at + Y]);
      dx[at] = error * precision * factor;
      dx[at + Y] = T(0.5) * fma(-error * error, precision, T(1)) * factor;
    }
  }
};

}  // namespace
}  // namespace handnn
