// LayerNorm: out = (x - mean) rstd gamma + beta, with the mean and 1 / sqrt(variance + eps) of each
// row
#pragma once

#include "../arguments.hpp"
#include "../rows_columns.hpp"

namespace handnn {
namespace {

// x (N, O) -> out (N, O), mean (N), rstd (N), all overwritten.
//
// The mean of a first pass is corrected by the mean of the differences from it, which removes the
// rounding errors of long sums. With an infinity that correction is NaN and is not applied.
template <class T>
void layer_norm_forward(T* out, T* mean, T* rstd, const T* x, NormParams<T> params, Size N,
                        Size O) {
  const T *gamma = params.gamma, *beta = params.beta;
  const T eps = params.eps;
  for (Size n = 0; n < N; ++n, out += O, x += O) {
    const T rough = row_sum<T>(O, [&](auto at, auto sum) { return sum + at.load(x); }) / T(O);
    const auto add_rest = [&](auto at, auto sum) { return sum + (at.load(x) - rough); };
    const T rest = row_sum<T>(O, add_rest) / T(O);
    const T m = rest == rest ? rough + rest : rough;
    const auto add_square = [&](auto at, auto sum) {
      const auto d = at.load(x) - m;
      return fma(d, d, sum);
    };
    const T var = row_sum<T>(O, add_square) / T(O);
    const T r = T(1) / square_root(var + eps);
    for_each_vector<T>(O, [&](auto at) {
      at.store(out, fma((at.load(x) - m) * r, at.load(gamma), at.load(beta)));
    });
    mean[n] = m;
    rstd[n] = r;
  }
}
template <class T>
void layer_norm_forward_naive(T* out, T* mean, T* rstd, const T* x, NormParams<T> params, Size N,
                              Size O) {
  const T *gamma = params.gamma, *beta = params.beta;
  const T eps = params.eps;
  for (Size n = 0; n < N; ++n, out += O, x += O) {
    const T rough = row_sum_naive<T>(O, [&](Size o, T sum) { return sum + x[o]; }) / T(O);
    const T rest = row_sum_naive<T>(O, [&](Size o, T sum) { return sum + (x[o] - rough); }) / T(O);
    const T m = rest == rest ? rough + rest : rough;
    const T squares =
        row_sum_naive<T>(O, [&](Size o, T sum) { return fma(x[o] - m, x[o] - m, sum); });
    const T r = T(1) / square_root(squares / T(O) + eps);
    for (Size o = 0; o < O; ++o) out[o] = fma((x[o] - m) * r, gamma[o], beta[o]);
    mean[n] = m;
    rstd[n] = r;
  }
}

// The gradient of x. dout (N, O), x (N, O), gamma (O), mean (N), rstd (N) -> dx (N, O),
// overwritten; dx may be dout.
//   x_hat = (x - mean) rstd      g = dout gamma
//   dx = rstd (g - mean over o of g - x_hat (mean over o of g x_hat))
template <class T>
void layer_norm_dx(T* dx, const T* dout, const T* x, const T* gamma, const T* mean, const T* rstd,
                   Size N, Size O) {
  for (Size n = 0; n < N; ++n, dx += O, dout += O, x += O) {
    const T m = mean[n], r = rstd[n];
    const auto x_hat = [&](auto at) { return (at.load(x) - m) * r; };
    const auto g = [&](auto at) { return at.load(dout) * at.load(gamma); };
    const T g_mean = row_sum<T>(O, [&](auto at, auto sum) { return sum + g(at); }) / T(O);
    const T slope =
        row_sum<T>(O, [&](auto at, auto sum) { return fma(g(at), x_hat(at), sum); }) / T(O);
    for_each_vector<T>(
        O, [&](auto at) { at.store(dx, r * fma(-x_hat(at), splat(slope), g(at) - g_mean)); });
  }
}
template <class T>
void layer_norm_dx_naive(T* dx, const T* dout, const T* x, const T* gamma, const T* mean,
                         const T* rstd, Size N, Size O) {
  for (Size n = 0; n < N; ++n, dx += O, dout += O, x += O) {
    const auto x_hat = [&](Size o) { return (x[o] - mean[n]) * rstd[n]; };
    const auto g = [&](Size o) { return dout[o] * gamma[o]; };
    const T g_mean = row_sum_naive<T>(O, [&](Size o, T sum) { return sum + g(o); }) / T(O);
    const T slope =
        row_sum_naive<T>(O, [&](Size o, T sum) { return fma(g(o), x_hat(o), sum); }) / T(O);
    for (Size o = 0; o < O; ++o) dx[o] = rstd[n] * fma(-x_hat(o), slope, g(o) - g_mean);
  }
}

// The gradients of gamma and beta, in a range of the columns. dout (N, O), x (N, O), mean (N),
// rstd (N) -> the grads.
//   dgamma = sum over n of dout x_hat      dbeta = sum over n of dout
template <class T>
void layer_norm_dparams(NormGrads<T> grads, const T* dout, const T* x, const T* mean, const T* rstd,
                        Size N, Size O, Range columns) {
  column_sum(grads.dgamma, N, O, columns, [&](auto at, Size n, auto sum) {
    return fma(at.load(dout + n * O), (at.load(x + n * O) - mean[n]) * rstd[n], sum);
  });
  column_sum(grads.dbeta, N, O, columns,
             [&](auto at, Size n, auto sum) { return sum + at.load(dout + n * O); });
}
template <class T>
void layer_norm_dparams_naive(NormGrads<T> grads, const T* dout, const T* x, const T* mean,
                              const T* rstd, Size N, Size O, Range columns) {
  for (Size o = columns.first; o < columns.last; ++o) {
    T dgamma = 0, dbeta = 0;
    for (Size n = 0; n < N; ++n) {
      const Size i = n * O + o;
      dgamma = fma(dout[i], (x[i] - mean[n]) * rstd[n], dgamma);
      dbeta += dout[i];
    }
    grads.dgamma[o] = dgamma;
    grads.dbeta[o] = dbeta;
  }
}

}  // namespace
}  // namespace handnn
