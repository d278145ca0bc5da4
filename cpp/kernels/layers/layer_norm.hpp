// LayerNorm: out = gamma (x - mean) / sqrt(var + eps) + beta, mean and var those of the row
//
// var is biased: the sum of squares over O. Plain loops, which compilers turn into vectors: each is
// its own naive twin. Sums along a row are in the order of sum_in_order, those over rows ascend.
#pragma once

#include "../sums.hpp"

namespace handnn {
namespace {

// x (N, O), gamma (O), beta (O) -> out (N, O) and, for backward, mean (N) and rstd (N) = 1 /
// sqrt(var + eps), all overwritten.
template <class T>
void layer_norm_forward(T* out, T* mean, T* rstd, const T* x, const T* gamma, const T* beta, T eps,
                        Size N, Size O) {
  for (Size n = 0; n < N; ++n, out += O, x += O) {
    const T m = sum_in_order<T>(O, [&](Size o) { return x[o]; }) / T(O);
    const T squares = sum_in_order<T>(O, [&](Size o) { return (x[o] - m) * (x[o] - m); });
    const T r = T(1) / square_root(squares / T(O) + eps);
    for (Size o = 0; o < O; ++o) out[o] = fma((x[o] - m) * r, gamma[o], beta[o]);
    mean[n] = m;
    rstd[n] = r;
  }
}

// dout (N, O) and what forward was given and gave -> dx (N, O), overwritten:
//
//   g = dout gamma,  y = (x - mean) rstd      dx = rstd (g - mean_o g - y mean_o(g y))
template <class T>
void layer_norm_backward(T* dx, const T* dout, const T* x, const T* mean, const T* rstd,
                         const T* gamma, Size N, Size O) {
  for (Size n = 0; n < N; ++n, dx += O, dout += O, x += O) {
    const T m = mean[n], r = rstd[n];
    const auto g = [&](Size o) { return dout[o] * gamma[o]; };
    const auto y = [&](Size o) { return (x[o] - m) * r; };
    const T mean_g = sum_in_order<T>(O, g) / T(O);
    const T mean_gy = sum_in_order<T>(O, [&](Size o) { return g(o) * y(o); }) / T(O);
    for (Size o = 0; o < O; ++o) dx[o] = r * fma(-y(o), mean_gy, g(o) - mean_g);
  }
}

// The same -> columns first ... last - 1 of dgamma (O) = sum_n dout y and dbeta (O) = sum_n dout,
// overwritten.
template <class T>
void layer_norm_gradients(T* dgamma, T* dbeta, const T* dout, const T* x, const T* mean,
                          const T* rstd, Size N, Size O, Size first, Size last) {
  for (Size o = first; o < last; ++o) dgamma[o] = dbeta[o] = 0;
  for (Size n = 0; n < N; ++n, dout += O, x += O) {
    const T m = mean[n], r = rstd[n];
    for (Size o = first; o < last; ++o) {
      dgamma[o] = fma(dout[o], (x[o] - m) * r, dgamma[o]);
      dbeta[o] += dout[o];
    }
  }
}

}  // namespace
}  // namespace handnn
