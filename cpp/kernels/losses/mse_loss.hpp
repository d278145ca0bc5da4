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
    add_naive(sums, pre, y_true, weight, N, O);
    return mean(sums, N, O);
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

  // Reads pre and y_true once for both. The targets are often part of a large array in memory.
  static constexpr bool is_in_place = true;
  template <class T>
  static void add_and_backward(SumsAndSlopes<T> to, const T* pre, const T* y_true, const T* weight,
                               const LossOptions<T>& with, T scale, Size N, Size O) {
    double* const sums = to.sums;
    T* const dx = to.dx;
    if (weight) {
      add_naive(sums, pre, y_true, weight, N, O);
      return backward(dx, pre, y_true, weight, with, scale, N, O);
    }
    add_squares(
        sums, N * O,
        [&](Size i) {
          prefetch(y_true + i + 8192 / sizeof(T));
          const auto error = load_double_lanes(pre + i) - load_double_lanes(y_true + i);
          store_double_lanes(dx + i, error * scale);
          return error;
        },
        [&](Size i) {
          const T error = pre[i] - y_true[i];
          dx[i] = error * scale;
          return error;
        });
  }
  static double mean(double* sums, Size N, Size O) { return take_sum(sums, N * O) / double(N * O); }

 private:
  template <class T>
  static void add_naive(double* sums, const T* pre, const T* y_true, const T* weight, Size N,
                        Size O) {
    for (Size i = 0; i < N * O; ++i) {
      const double error = squared_error(pre[i], y_true[i]);
      sums[i % partial_sums] += weight ? double(weight[i / O]) * error : error;
    }
  }

  struct Error : MeanLoss<Error> {
    template <class V>
    static V slope(V pre, V y_true, V) {
      return pre - y_true;
    }
  };
};

}  // namespace
}  // namespace handnn
