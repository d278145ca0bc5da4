// BatchNorm: out = gamma (x - mean) / sqrt(var + eps) + beta, mean and var those of the column
//
// In training they are the batch's, var biased: the sum of squares over N. In prediction they are
// running means of these. Every kernel works on columns first ... last - 1, so that columns can be
// shared among threads. Plain loops, which compilers turn into vectors over the columns: each is
// its own naive twin. All sums over rows ascend.
#pragma once

#include "../simd.hpp"

namespace handnn {
namespace {

// x (N, O), mean (O), rstd (O), gamma (O), beta (O) -> out (N, O), overwritten.
template <class T>
void batch_norm_apply(T* out, const T* x, const T* mean, const T* rstd, const T* gamma,
                      const T* beta, Size N, Size O, Size first, Size last) {
  for (Size n = 0; n < N; ++n, out += O, x += O) {
    for (Size o = first; o < last; ++o) {
      out[o] = fma((x[o] - mean[o]) * rstd[o], gamma[o], beta[o]);
    }
  }
}

// var (O) -> rstd (O) = 1 / sqrt(var + eps), overwritten.
template <class T>
void batch_norm_rstd(T* rstd, const T* var, T eps, Size first, Size last) {
  for (Size o = first; o < last; ++o) rstd[o] = T(1) / square_root(var[o] + eps);
}

// x (N, O), gamma (O), beta (O) -> out (N, O) and, for backward, mean (O) and rstd (O), all
// overwritten; running_mean (O) and running_var (O), of the unbiased variance, move towards the
// batch's by momentum. N is at least 2.
template <class T>
void batch_norm_forward(T* out, T* mean, T* rstd, T* running_mean, T* running_var, const T* x,
                        const T* gamma, const T* beta, T eps, T momentum, Size N, Size O,
                        Size first, Size last) {
  T* var = rstd;  // until its root is taken
  for (Size o = first; o < last; ++o) mean[o] = var[o] = 0;
  for (Size n = 0; n < N; ++n) {
    for (Size o = first; o < last; ++o) mean[o] += x[n * O + o];
  }
  for (Size o = first; o < last; ++o) mean[o] /= T(N);
  for (Size n = 0; n < N; ++n) {
    for (Size o = first; o < last; ++o) {
      const T error = x[n * O + o] - mean[o];
      var[o] = fma(error, error, var[o]);
    }
  }
  for (Size o = first; o < last; ++o) {
    running_mean[o] = fma(momentum, mean[o] - running_mean[o], running_mean[o]);
    running_var[o] = fma(momentum, var[o] / T(N - 1) - running_var[o], running_var[o]);
    var[o] /= T(N);
  }
  batch_norm_rstd(rstd, var, eps, first, last);
  batch_norm_apply(out, x, mean, rstd, gamma, beta, N, O, first, last);
}

// dout (N, O), x (N, O), mean (O) and rstd (O) -> dgamma (O) = sum_n dout y and dbeta (O) = sum_n
// dout, with y = (x - mean) rstd, overwritten.
template <class T>
void batch_norm_gradients(T* dgamma, T* dbeta, const T* dout, const T* x, const T* mean,
                          const T* rstd, Size N, Size O, Size first, Size last) {
  for (Size o = first; o < last; ++o) dgamma[o] = dbeta[o] = 0;
  for (Size n = 0; n < N; ++n, dout += O, x += O) {
    for (Size o = first; o < last; ++o) {
      dgamma[o] = fma(dout[o], (x[o] - mean[o]) * rstd[o], dgamma[o]);
      dbeta[o] += dout[o];
    }
  }
}

// The same, gamma and the gradients -> dx (N, O), overwritten; dx may be dout:
//
//   in training     dx = gamma rstd (dout - dbeta / N - y dgamma / N)
//   in prediction   dx = gamma rstd dout
template <class T>
void batch_norm_backward(T* dx, const T* dout, const T* x, const T* mean, const T* rstd,
                         const T* gamma, const T* dgamma, const T* dbeta, bool training, Size N,
                         Size O, Size first, Size last) {
  for (Size n = 0; n < N; ++n, dx += O, dout += O, x += O) {
    for (Size o = first; o < last; ++o) {
      T g = dout[o];
      if (training) {
        const T y = (x[o] - mean[o]) * rstd[o];
        g = fma(-y, dgamma[o] / T(N), g - dbeta[o] / T(N));
      }
      dx[o] = gamma[o] * rstd[o] * g;
    }
  }
}

}  // namespace
}  // namespace handnn
