// MSELoss: the mean over all N O entries of weight (pre - y_true)^2
//
// weight (N) has one number per row; null means 1. The order of the sum: sums.hpp.
#pragma once

#include "loss.hpp"

namespace handnn {
namespace {

template <class T>
inline double squared_error(T pre, T y_true) {
  const double error = double(pre - y_true);
  return error * error;
}

// Not a MeanLoss, because the squares are in double for both dtypes. `scale` includes the factor 2.
struct MSELoss {
  template <class T>
  static double forward_naive(const T* pre, const T* y_true, const T* weight, const LossOptions<T>&,
                              Size N, Size O) {
    double sums[partial_sums] = {};
    for (Size i = 0; i < N * O; ++i) {
      const double error = squared_error(pre[i], y_true[i]);
      sums[i % partial_sums] += weight ? double(weight[i / O]) * error : error;
    }
    return add_pairwise(sums) / double(N * O);
  }
  template <class T>
  static double forward(const T* pre, const T* y_true, const T* weight, const LossOptions<T>& with,
                        Size N, Size O) {
    if (weight) return forward_naive(pre, y_true, weight, with, N, O);
    const Size n = N * O;
    const auto errors_from = [&](Size i) {
      return load_double_lanes(pre + i) - load_double_lanes(y_true + i);
    };
    return sum_of_squares_of(n, errors_from, [&](Size i) { return pre[i] - y_true[i]; }) /
           double(n);
  }

  // scale weight (pre - y_true).
  template <class T>
  static void backward(T* dx, const T* pre, const T* y_true, const T* weight,
                       const LossOptions<T>& with, T scale, Size N, Size O) {
    Error::backward(dx, pre, y_true, weight, with, scale, N, O);
  }
  template <class T>
  static void backward_naive(T* dx, const T* pre, const T* y_true, const T* weight,
                             const LossOptions<T>& with, T scale, Size N, Size O) {
    Error::backward_naive(dx, pre, y_true, weight, with, scale, N, O);
  }

 private:
  struct Error : MeanLoss<Error> {
    template <class V>
    static V slope(V pre, V y_true, V) {
      return pre - y_true;
    }
  };
};

}  // namespace
}  // namespace handnn
