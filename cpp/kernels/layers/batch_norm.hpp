// BatchNorm: out = (x - mean) rstd gamma + beta, rstd = 1 / sqrt(var + eps), with the mean and the
// variance of each column
//
// All kernels work on the columns first ... last - 1 only, so that threads can share a batch.
#pragma once

#include "../rows_columns.hpp"

namespace handnn {
namespace {

// x (N, O) -> mean (O), var (O), overwritten. var is the biased variance, divided by N.
//
// The mean of a first pass is corrected by the mean of the differences from it, which removes the
// rounding errors of long sums. With an infinity that correction is NaN and is not applied.
template <class T>
void batch_norm_statistics(T* mean, T* var, const T* x, Size N, Size O, Size first, Size last) {
  column_sum(mean, N, O, first, last,
             [&](auto at, Size n, auto sum) { return sum + at.load(x + n * O); });
  for_each_vector<T>(first, last, [&](auto at) { at.store(mean, at.load(mean) / T(N)); });
  T* const rest = var;
  column_sum(rest, N, O, first, last,
             [&](auto at, Size n, auto sum) { return sum + (at.load(x + n * O) - at.load(mean)); });
  for_each_vector<T>(first, last, [&](auto at) {
    const Vector<T> r = at.load(rest) / T(N), rough = at.load(mean);
    at.store(mean, r == r ? rough + r : rough);
  });
  column_sum(var, N, O, first, last, [&](auto at, Size n, auto sum) {
    const auto d = at.load(x + n * O) - at.load(mean);
    return fma(d, d, sum);
  });
  for_each_vector<T>(first, last, [&](auto at) { at.store(var, at.load(var) / T(N)); });
}
template <class T>
void batch_norm_statistics_naive(T* mean, T* var, const T* x, Size N, Size O, Size first,
                                 Size last) {
  for (Size o = first; o < last; ++o) {
    T sum = 0, rest = 0, squares = 0;
    for (Size n = 0; n < N; ++n) sum += x[n * O + o];
    const T rough = sum / T(N);
    for (Size n = 0; n < N; ++n) rest += x[n * O + o] - rough;
    rest /= T(N);
    mean[o] = rest == rest ? rough + rest : rough;
    for (Size n = 0; n < N; ++n) {
      const T d = x[n * O + o] - mean[o];
      squares = fma(d, d, squares);
    }
    var[o] = squares / T(N);
  }
}

// mean (O), var (O) of N rows -> running_mean (O), running_var (O), moved by the fraction
// `momentum` towards the mean and the unbiased variance, var N / (N - 1).
template <class T>
void batch_norm_update(T* running_mean, T* running_var, const T* mean, const T* var, T momentum,
                       Size N, Size first, Size last) {
  const T keep = T(1) - momentum, unbiased = T(N) / T(N - 1);
  for_each_vector<T>(first, last, [&](auto at) {
    const Vector<T> share = splat(momentum);
    at.store(running_mean, fma(share, at.load(mean), keep * at.load(running_mean)));
    at.store(running_var, fma(share, at.load(var) * unbiased, keep * at.load(running_var)));
  });
}
template <class T>
void batch_norm_update_naive(T* running_mean, T* running_var, const T* mean, const T* var,
                             T momentum, Size N, Size first, Size last) {
  const T keep = T(1) - momentum, unbiased = T(N) / T(N - 1);
  for (Size o = first; o < last; ++o) {
    running_mean[o] = fma(momentum, mean[o], keep * running_mean[o]);
    running_var[o] = fma(momentum, var[o] * unbiased, keep * running_var[o]);
  }
}

// x (N, O), gamma (O), beta (O), mean (O), var (O) -> out (N, O), overwritten.
template <class T>
void batch_norm_forward(T* out, const T* x, const T* gamma, const T* beta, const T* mean,
                        const T* var, T eps, Size N, Size O, Size first, Size last) {
  for_each_strip<T>(N, O, first, last, [&](auto at, Size start, Size end) {
    const Vector<T> scale = at.load(gamma) * (T(1) / square_root(at.load(var) + eps));
    const Vector<T> m = at.load(mean), b = at.load(beta);
    for (Size n = start; n < end; ++n) {
      at.store(out + n * O, fma(at.load(x + n * O) - m, scale, b));
    }
  });
}
template <class T>
void batch_norm_forward_naive(T* out, const T* x, const T* gamma, const T* beta, const T* mean,
                              const T* var, T eps, Size N, Size O, Size first, Size last) {
  for (Size o = first; o < last; ++o) {
    const T scale = gamma[o] * (T(1) / square_root(var[o] + eps));
    for (Size n = 0; n < N; ++n) out[n * O + o] = fma(x[n * O + o] - mean[o], scale, beta[o]);
  }
}

// dout (N, O), x (N, O), gamma (O), mean (O), var (O) -> dx (N, O), dgamma (O), dbeta (O),
// overwritten; dx may be dout, or null to omit it.
//   x_hat = (x - mean) rstd
//   dgamma = sum over n of dout x_hat      dbeta = sum over n of dout
//   dx = gamma rstd (dout - dbeta / N - x_hat dgamma / N), if mean and var are those of x
//   dx = gamma rstd dout, if they are not (in prediction)
template <class T>
void batch_norm_backward(T* dx, T* dgamma, T* dbeta, const T* dout, const T* x, const T* gamma,
                         const T* mean, const T* var, T eps, bool training, Size N, Size O,
                         Size first, Size last) {
  T* const rstd = dbeta;  // until its sum is computed
  for_each_vector<T>(first, last,
                     [&](auto at) { at.store(rstd, T(1) / square_root(at.load(var) + eps)); });
  column_sum(dgamma, N, O, first, last, [&](auto at, Size n, auto sum) {
    const auto x_hat = (at.load(x + n * O) - at.load(mean)) * at.load(rstd);
    return fma(at.load(dout + n * O), x_hat, sum);
  });
  column_sum(dbeta, N, O, first, last,
             [&](auto at, Size n, auto sum) { return sum + at.load(dout + n * O); });
  if (!dx) return;
  for_each_strip<T>(N, O, first, last, [&](auto at, Size start, Size end) {
    const Vector<T> rstd = T(1) / square_root(at.load(var) + eps), scale = at.load(gamma) * rstd;
    if (!training) {
      for (Size n = start; n < end; ++n) at.store(dx + n * O, scale * at.load(dout + n * O));
      return;
    }
    const Vector<T> m = at.load(mean), mean_dout = at.load(dbeta) / T(N),
                    slope = at.load(dgamma) / T(N);
    for (Size n = start; n < end; ++n) {
      const Vector<T> x_hat = (at.load(x + n * O) - m) * rstd;
      at.store(dx + n * O, scale * fma(-x_hat, slope, at.load(dout + n * O) - mean_dout));
    }
  });
}
template <class T>
void batch_norm_backward_naive(T* dx, T* dgamma, T* dbeta, const T* dout, const T* x,
                               const T* gamma, const T* mean, const T* var, T eps, bool training,
                               Size N, Size O, Size first, Size last) {
  for (Size o = first; o < last; ++o) {
    const T rstd = T(1) / square_root(var[o] + eps);
    const auto x_hat = [&](Size n) { return (x[n * O + o] - mean[o]) * rstd; };
    dgamma[o] = dbeta[o] = 0;
    for (Size n = 0; n < N; ++n) {
      dgamma[o] = fma(dout[n * O + o], x_hat(n), dgamma[o]);
      dbeta[o] += dout[n * O + o];
    }
    const T slope = training ? dgamma[o] / T(N) : 0, mean_dout = training ? dbeta[o] / T(N) : 0;
    for (Size n = 0; dx && n < N; ++n) {
      const T d = dout[n * O + o];
      dx[n * O + o] = gamma[o] * rstd * (training ? fma(-x_hat(n), slope, d - mean_dout) : d);
    }
  }
}

}  // namespace
}  // namespace handnn
