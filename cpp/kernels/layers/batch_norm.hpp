// BatchNorm: out = (x - mean) rstd gamma + beta, rstd = 1 / sqrt(var + eps), with the mean and the
// variance of each column
//
// All kernels work on a range of the columns only, so that threads can share a batch.
#pragma once

#include "../arguments.hpp"
#include "../rows_columns.hpp"

namespace handnn {
namespace {

// x (N, O) -> mean (O), var (O), overwritten. var is the biased variance, divided by N.
//
// The mean of a first pass is corrected by the mean of the differences from it, which removes the
// rounding errors of long sums. With an infinity that correction is NaN and is not applied.
template <class T>
void statistics_of_block(T* mean, T* var, const T* x, Size N, Size O, Range columns) {
  column_sum(mean, N, O, columns,
             [&](auto at, Size n, auto sum) { return sum + at.load(x + n * O); });
  for_each_vector<T>(columns.first, columns.last,
                     [&](auto at) { at.store(mean, at.load(mean) / T(N)); });
  T* const rest = var;
  column_sum(rest, N, O, columns,
             [&](auto at, Size n, auto sum) { return sum + (at.load(x + n * O) - at.load(mean)); });
  for_each_vector<T>(columns.first, columns.last, [&](auto at) {
    const Vector<T> r = at.load(rest) / T(N), rough = at.load(mean);
    at.store(mean, r == r ? rough + r : rough);
  });
  column_sum(var, N, O, columns, [&](auto at, Size n, auto sum) {
    const auto d = at.load(x + n * O) - at.load(mean);
    return fma(d, d, sum);
  });
  for_each_vector<T>(columns.first, columns.last,
                     [&](auto at) { at.store(var, at.load(var) / T(N)); });
}
template <class T>
void statistics_of_block_naive(T* mean, T* var, const T* x, Size N, Size O, Size o) {
  T sum = 0, rest = 0, squares = 0;
  for (Size n = 0; n < N; ++n) sum += x[n * O + o];
  const T rough = sum / T(N);
  for (Size n = 0; n < N; ++n) rest += x[n * O + o] - rough;
  rest /= T(N);
  *mean = rest == rest ? rough + rest : rough;
  for (Size n = 0; n < N; ++n) {
    const T d = x[n * O + o] - *mean;
    squares = fma(d, d, squares);
  }
  *var = squares / T(N);
}

// A sum of more than 2^24 ones in float32 stops growing. So more rows than these are summed in
// blocks, whose statistics are merged in order (Chan, Golub and LeVeque 1983, equation 2.1):
//
//   w = rows of the block / rows so far, d = mean of the block - mean
//   mean = (1 - w) mean + w (mean of the block)
//   var = var + w (var of the block - var) + w (1 - w) d d
constexpr Size rows_of_block = 65'536;

template <class T, class V>
inline V merged_var(V var, V more, V d, T w) {
  return fma(V{} + (w * (T(1) - w)), d * d, fma(V{} + w, more - var, var));
}

// mean (O), var (O) of some rows, and more_mean (O), more_var (O) of others -> mean, var of all of
// them. w is the share of the others.
template <class T>
void batch_norm_merge(T* mean, T* var, const T* more_mean, const T* more_var, T w, Range columns) {
  for_each_vector<T>(columns.first, columns.last, [&](auto at) {
    const Vector<T> more = at.load(more_mean), m = at.load(mean);
    at.store(var, merged_var(at.load(var), at.load(more_var), more - m, w));
    at.store(mean, fma(Vector<T>{} + w, more, (T(1) - w) * m));
  });
}
template <class T>
void batch_norm_merge_naive(T* mean, T* var, const T* more_mean, const T* more_var, T w,
                            Range columns) {
  for (Size o = columns.first; o < columns.last; ++o) {
    var[o] = merged_var(var[o], more_var[o], more_mean[o] - mean[o], w);
    mean[o] = fma(w, more_mean[o], (T(1) - w) * mean[o]);
  }
}

template <class T>
void batch_norm_statistics(T* mean, T* var, const T* x, Size N, Size O, Range columns) {
  constexpr Size width = 64;
  T mean_of_block[width], var_of_block[width];
  statistics_of_block(mean, var, x, N < rows_of_block ? N : rows_of_block, O, columns);
  for (Size first = rows_of_block; first < N; first += rows_of_block) {
    const Size rows = N - first < rows_of_block ? N - first : rows_of_block;
    const T w = T(rows) / T(first + rows);
    for (Size c = columns.first; c < columns.last; c += width) {
      const Size count = columns.last - c < width ? columns.last - c : width;
      statistics_of_block(mean_of_block, var_of_block, x + first * O + c, rows, O, {0, count});
      batch_norm_merge(mean + c, var + c, mean_of_block, var_of_block, w, {0, count});
    }
  }
}
template <class T>
void batch_norm_statistics_naive(T* mean, T* var, const T* x, Size N, Size O, Range columns) {
  for (Size o = columns.first; o < columns.last; ++o) {
    statistics_of_block_naive(mean + o, var + o, x, N < rows_of_block ? N : rows_of_block, O, o);
    for (Size first = rows_of_block; first < N; first += rows_of_block) {
      const Size rows = N - first < rows_of_block ? N - first : rows_of_block;
      const T w = T(rows) / T(first + rows);
      T more, more_var;
      statistics_of_block_naive(&more, &more_var, x + first * O, rows, O, o);
      batch_norm_merge_naive(mean + o, var + o, &more, &more_var, w, {0, 1});
    }
  }
}

// mean (O), var (O) of N rows -> running_mean (O), running_var (O), moved by the fraction
// `momentum` towards the mean and the unbiased variance, var N / (N - 1).
template <class T>
void batch_norm_update(T* running_mean, T* running_var, const T* mean, const T* var, T momentum,
                       Size N, Range columns) {
  const T keep = T(1) - momentum, unbiased = T(N) / T(N - 1);
  for_each_vector<T>(columns.first, columns.last, [&](auto at) {
    const Vector<T> share = splat(momentum);
    at.store(running_mean, fma(share, at.load(mean), keep * at.load(running_mean)));
    at.store(running_var, fma(share, at.load(var) * unbiased, keep * at.load(running_var)));
  });
}
template <class T>
void batch_norm_update_naive(T* running_mean, T* running_var, const T* mean, const T* var,
                             T momentum, Size N, Range columns) {
  const T keep = T(1) - momentum, unbiased = T(N) / T(N - 1);
  for (Size o = columns.first; o < columns.last; ++o) {
    running_mean[o] = fma(momentum, mean[o], keep * running_mean[o]);
    running_var[o] = fma(momentum, var[o] * unbiased, keep * running_var[o]);
  }
}

// x (N, O) -> out (N, O), overwritten.
template <class T>
void batch_norm_forward(T* out, const T* x, ColumnNorm<T> norm, Size N, Size O, Range columns) {
  const T *gamma = norm.params.gamma, *beta = norm.params.beta;
  const T eps = norm.params.eps;
  for_each_strip<T>(N, O, columns, [&](auto at, Size start, Size end) {
    const Vector<T> scale = at.load(gamma) * (T(1) / square_root(at.load(norm.var) + eps));
    const Vector<T> m = at.load(norm.mean), b = at.load(beta);
    for (Size n = start; n < end; ++n) {
      at.store(out + n * O, fma(at.load(x + n * O) - m, scale, b));
    }
  });
}
template <class T>
void batch_norm_forward_naive(T* out, const T* x, ColumnNorm<T> norm, Size N, Size O,
                              Range columns) {
  const T *gamma = norm.params.gamma, *beta = norm.params.beta;
  const T eps = norm.params.eps;
  for (Size o = columns.first; o < columns.last; ++o) {
    const T scale = gamma[o] * (T(1) / square_root(norm.var[o] + eps)), mean = norm.mean[o];
    for (Size n = 0; n < N; ++n) out[n * O + o] = fma(x[n * O + o] - mean, scale, beta[o]);
  }
}

// dout (N, O), x (N, O) -> dx (N, O), overwritten; dx may be dout. The N rows are a part of a batch
// of grads.rows rows, and the grads are those of the batch:
//
//   dx = gamma rstd (dout - dbeta / rows - x_hat dgamma / rows) in training
//   dx = gamma rstd dout in prediction
template <class T>
void batch_norm_dx(T* dx, const T* dout, const T* x, ColumnNorm<T> norm, BatchGrads<T> grads,
                   Size N, Size O, Range columns) {
  const T *gamma = norm.params.gamma, *mean = norm.mean, *var = norm.var;
  const T eps = norm.params.eps;
  for_each_strip<T>(N, O, columns, [&](auto at, Size start, Size end) {
    const Vector<T> rstd = T(1) / square_root(at.load(var) + eps), scale = at.load(gamma) * rstd;
    if (!norm.training) {
      for (Size n = start; n < end; ++n) at.store(dx + n * O, scale * at.load(dout + n * O));
      return;
    }
    const Vector<T> m = at.load(mean), mean_dout = at.load(grads.dbeta) / T(grads.rows),
                    slope = at.load(grads.dgamma) / T(grads.rows);
    for (Size n = start; n < end; ++n) {
      const Vector<T> x_hat = (at.load(x + n * O) - m) * rstd;
      at.store(dx + n * O, scale * fma(-x_hat, slope, at.load(dout + n * O) - mean_dout));
    }
  });
}
template <class T>
void batch_norm_dx_naive(T* dx, const T* dout, const T* x, ColumnNorm<T> norm, BatchGrads<T> grads,
                         Size N, Size O, Range columns) {
  for (Size o = columns.first; o < columns.last; ++o) {
    const T rstd = T(1) / square_root(norm.var[o] + norm.params.eps);
    const T slope = grads.dgamma[o] / T(grads.rows), mean_dout = grads.dbeta[o] / T(grads.rows);
    for (Size n = 0; n < N; ++n) {
      const T d = dout[n * O + o], x_hat = (x[n * O + o] - norm.mean[o]) * rstd;
      const T centred = norm.training ? fma(-x_hat, slope, d - mean_dout) : d;
      dx[n * O + o] = norm.params.gamma[o] * rstd * centred;
    }
  }
}

// dout (N, O), x (N, O) -> dx (N, O), overwritten, and the grads; dx may be dout, or null to omit
// it.
//   x_hat = (x - mean) rstd
//   dgamma = sum over n of dout x_hat      dbeta = sum over n of dout
template <class T>
void batch_norm_backward(T* dx, NormGrads<T> grads, const T* dout, const T* x, ColumnNorm<T> norm,
                         Size N, Size O, Range columns) {
  const T *mean = norm.mean, *var = norm.var;
  const T eps = norm.params.eps;
  T* const rstd = grads.dbeta;  // until its sum is computed
  for_each_vector<T>(columns.first, columns.last,
                     [&](auto at) { at.store(rstd, T(1) / square_root(at.load(var) + eps)); });
  column_sum(grads.dgamma, N, O, columns, [&](auto at, Size n, auto sum) {
    const auto x_hat = (at.load(x + n * O) - at.load(mean)) * at.load(rstd);
    return fma(at.load(dout + n * O), x_hat, sum);
  });
  column_sum(grads.dbeta, N, O, columns,
             [&](auto at, Size n, auto sum) { return sum + at.load(dout + n * O); });
  if (dx) batch_norm_dx(dx, dout, x, norm, {grads.dgamma, grads.dbeta, N}, N, O, columns);
}
template <class T>
void batch_norm_backward_naive(T* dx, NormGrads<T> grads, const T* dout, const T* x,
                               ColumnNorm<T> norm, Size N, Size O, Range columns) {
  for (Size o = columns.first; o < columns.last; ++o) {
    const T rstd = T(1) / square_root(norm.var[o] + norm.params.eps);
    T dgamma = 0, dbeta = 0;
    for (Size n = 0; n < N; ++n) {
      const T x_hat = (x[n * O + o] - norm.mean[o]) * rstd;
      dgamma = fma(dout[n * O + o], x_hat, dgamma);
      dbeta += dout[n * O + o];
    }
    grads.dgamma[o] = dgamma;
    grads.dbeta[o] = dbeta;
  }
  if (dx) batch_norm_dx_naive(dx, dout, x, norm, {grads.dgamma, grads.dbeta, N}, N, O, columns);
}

}  // namespace
}  // namespace handnn
