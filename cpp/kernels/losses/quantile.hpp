// Quantile: the mean over all N O entries of q e where e >= 0, and (q - 1) e below, with
// e = y_true - pre
//
// With Q quantiles, pre has Q columns for each column of y_true, O = Y Q: column c estimates
// quantile c mod Q of target c / Q. The slope at e = 0 is that of e > 0.
#pragma once

#include "loss.hpp"

namespace handnn {
namespace {

// Scalar, because neighboring entries have different quantiles and targets.
struct Quantile : OwnTwin<Quantile> {
  template <class T>
  static double forward(const T* pre, const T* y_true, const T* weight, const LossOptions<T>& with,
                        Size N, Size O) {
    return sum_of_terms_naive<T>(weight, N * O, O,
                                 [&](Size i) {
                                   const T error = y_true[i / with.count] - pre[i];
                                   return error * factor(error, with.numbers[i % with.count]);
                                 }) /
           double(N * O);
  }

  template <class T>
  static void backward(T* dx, const T* pre, const T* y_true, const T* weight,
                       const LossOptions<T>& with, T scale, Size N, Size O) {
    for (Size i = 0; i < N * O; ++i) {
      const T row = weight ? scale * weight[i / O] : scale;
      const T error = y_true[i / with.count] - pre[i];
      dx[i] = -factor(error, with.numbers[i % with.count]) * row;
    }
  }

 private:
  // NaN if the error is NaN.
  template <class T>
  static T factor(T error, T quantile) {
    return error < 0 ? quantile - 1 : (error >= 0 ? quantile : error);
  }
};

}  // namespace
}  // namespace handnn
