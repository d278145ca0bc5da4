// MSELoss: the mean over all N O entries of weight (pre - y_true)^2
//
// weight (N) is one number a row, or null for 1 everywhere. The order of the sum: sums.hpp.
#pragma once

#include "../each_vector.hpp"
#include "../sums.hpp"

namespace handnn {
namespace {

template <class T>
inline double squared_error(T pre, T y_true) {
  const double error = double(pre - y_true);
  return error * error;
}

// pre (N, O), y_true (N, O), weight (N) or null -> the loss; NaN when there is no entry.
template <class T>
double mse_loss_forward_naive(const T* pre, const T* y_true, const T* weight, Size N, Size O) {
  double sums[partial_sums] = {};
  for (Size i = 0; i < N * O; ++i) {
    const double error = squared_error(pre[i], y_true[i]);
    sums[i % partial_sums] += weight ? double(weight[i / O]) * error : error;
  }
  return add_pairwise(sums) / double(N * O);
}
template <class T>
double mse_loss_forward(const T* pre, const T* y_true, const T* weight, Size N, Size O) {
  if (weight) return mse_loss_forward_naive(pre, y_true, weight, N, O);
  const Size n = N * O;
  double sums[partial_sums] = {};
  Size i = 0;
  for (; i + partial_sums <= n; i += partial_sums) {
    for (int s = 0; s < partial_sums; ++s) sums[s] += squared_error(pre[i + s], y_true[i + s]);
  }
  for (int s = 0; i + s < n; ++s) sums[s] += squared_error(pre[i + s], y_true[i + s]);
  return add_pairwise(sums) / double(n);
}

// pre (N, O), y_true (N, O), weight (N) or null -> dx (N, O), overwritten: scale weight (pre -
// y_true).
template <class T>
void mse_loss_backward(T* dx, const T* pre, const T* y_true, const T* weight, T scale, Size N,
                       Size O) {
  auto rows = [&](Size begin, Size count, T factor) {
    for_each_vector<T>(count, [&](auto at) {
      at.store(dx + begin, (at.load(pre + begin) - at.load(y_true + begin)) * splat(factor));
    });
  };
  if (!weight) return rows(0, N * O, scale);
  for (Size n = 0; n < N; ++n) rows(n * O, O, scale * weight[n]);
}
template <class T>
void mse_loss_backward_naive(T* dx, const T* pre, const T* y_true, const T* weight, T scale, Size N,
                             Size O) {
  for (Size i = 0; i < N * O; ++i) {
    dx[i] = (pre[i] - y_true[i]) * (weight ? scale * weight[i / O] : scale);
  }
}

}  // namespace
}  // namespace handnn
