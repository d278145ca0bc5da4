// Softmax: out = exp(x) / sum of exp(x), over the columns of each row
#pragma once

#include "../exp.hpp"
#include "../rows_columns.hpp"

namespace handnn {
namespace {

// The largest entry m of a row and the sum of exp(x - m).
template <class T>
struct RowExps {
  T most, sum;
};

// x (O) -> out (O) = exp(x - m), overwritten, and the numbers of the row.
template <class T>
inline RowExps<T> exps_of_row(T* out, const T* x, Size O) {
  const T most = row_max(x, O);
  const T sum = row_sum<T>(O, [&](auto at, auto sum) {
    const auto e = exp(at.load(x) - most);
    at.store(out, e);
    return sum + e;
  });
  return {most, sum};
}

// x (N, O) -> out (N, O), overwritten. The largest entry of the row is subtracted from all, so that
// exp cannot overflow; the quotient is the same.
template <class T>
void softmax_forward(T* out, const T* x, Size N, Size O) {
  for (Size n = 0; n < N; ++n) {
    T* row = out + n * O;
    const T sum = exps_of_row(row, x + n * O, O).sum;
    for_each_vector<T>(O, [&](auto at) { at.store(row, at.load(row) / sum); });
  }
}
template <class T>
void softmax_forward_naive(T* out, const T* x, Size N, Size O) {
  for (Size n = 0; n < N; ++n, out += O, x += O) {
    const T most = row_max_naive(x, O);
    for (Size o = 0; o < O; ++o) out[o] = exp(x[o] - most);
    const T sum = row_sum_naive<T>(O, [&](Size o, T sum) { return sum + out[o]; });
    for (Size o = 0; o < O; ++o) out[o] = out[o] / sum;
  }
}

// dout (N, O), out (N, O) -> dx (N, O), overwritten; dx may be dout.
//   dx = out (dout - sum over o of dout out)
template <class T>
void softmax_backward(T* dx, const T* dout, const T* out, Size N, Size O) {
  for (Size n = 0; n < N; ++n, dx += O, dout += O, out += O) {
    const T sum =
        row_sum<T>(O, [&](auto at, auto sum) { return fma(at.load(dout), at.load(out), sum); });
    for_each_vector<T>(O, [&](auto at) { at.store(dx, at.load(out) * (at.load(dout) - sum)); });
  }
}
template <class T>
void softmax_backward_naive(T* dx, const T* dout, const T* out, Size N, Size O) {
  for (Size n = 0; n < N; ++n, dx += O, dout += O, out += O) {
    const T sum = row_sum_naive<T>(O, [&](Size o, T sum) { return fma(dout[o], out[o], sum); });
    for (Size o = 0; o < O; ++o) dx[o] = out[o] * (dout[o] - sum);
  }
}

}  // namespace
}  // namespace handnn
