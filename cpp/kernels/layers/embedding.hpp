// Embedding: out = x without its column of codes, followed by the row of w that the code selects
//
// Column `column` of x (N, I) holds codes: integers from 0 to K - 1, which the caller has checked.
// w (K, D) has a row for each code. In out (N, I - 1 + D) the columns of x after the codes move
// left by one.
#pragma once

#include "../arguments.hpp"

namespace handnn {
namespace {

// The row of w for a code. An invalid code selects row 0: the caller has checked the codes, but
// another thread may have overwritten x in the meantime.
template <class T>
inline Size row_of(T code, Size K) {
  return code >= 0 && code < T(K) ? Size(code) : 0;
}

// x (N, I), w (K, D) -> out (N, I - 1 + D), overwritten.
template <class T>
void embedding_forward(T* out, const T* x, const T* w, Codes codes, Size N, Size I, Size D) {
  const auto [column, K] = codes;
  for (Size n = 0; n < N; ++n) {
    const T* row = w + row_of(x[column], K) * D;
    for (Size i = 0; i < column; ++i) out[i] = x[i];
    for (Size i = column + 1; i < I; ++i) out[i - 1] = x[i];
    for (Size d = 0; d < D; ++d) out[I - 1 + d] = row[d];
    x += I;
    out += I - 1 + D;
  }
}
template <class T>
void embedding_forward_naive(T* out, const T* x, const T* w, Codes codes, Size N, Size I, Size D) {
  const auto [column, K] = codes;
  const Size O = I - 1 + D;
  for (Size n = 0; n < N; ++n) {
    for (Size o = 0; o < O; ++o) {
      const Size code = row_of(x[n * I + column], K);
      out[n * O + o] = o < I - 1 ? x[n * I + o + (o >= column)] : w[code * D + o - (I - 1)];
    }
  }
}

// dout (N, I - 1 + D) -> dx (N, I), overwritten: 0 in the column of the codes.
template <class T>
void embedding_backward_dx(T* dx, const T* dout, Size N, Size I, Size D, Size column) {
  for (Size n = 0; n < N; ++n) {
    for (Size i = 0; i < column; ++i) dx[i] = dout[i];
    dx[column] = 0;
    for (Size i = column + 1; i < I; ++i) dx[i] = dout[i - 1];
    dx += I;
    dout += I - 1 + D;
  }
}
template <class T>
void embedding_backward_dx_naive(T* dx, const T* dout, Size N, Size I, Size D, Size column) {
  for (Size n = 0; n < N; ++n) {
    for (Size i = 0; i < I; ++i) {
      dx[n * I + i] = i == column ? T(0) : dout[n * (I - 1 + D) + i - (i > column)];
    }
  }
}

// dout (N, I - 1 + D), x (N, I) -> a range of the rows of dw (K, D), overwritten; the other rows
//   are unchanged, so that threads can share dw. dw[k][d] = 0 + dout[n][I - 1 + d] + ..., over the
//   rows n of code k in ascending order
template <class T>
void embedding_backward_dw(T* dw, const T* dout, const T* x, Codes codes, Size N, Size I, Size D,
                           Range rows) {
  for (Size i = rows.first * D; i < rows.last * D; ++i) dw[i] = 0;
  for (Size n = 0; n < N; ++n) {
    const Size code = row_of(x[n * I + codes.column], codes.K);
    if (code < rows.first || code >= rows.last) continue;
    const T* term = dout + n * (I - 1 + D) + I - 1;
    T* sum = dw + code * D;
    for (Size d = 0; d < D; ++d) sum[d] += term[d];
  }
}
template <class T>
void embedding_backward_dw_naive(T* dw, const T* dout, const T* x, Codes codes, Size N, Size I,
                                 Size D, Range rows) {
  for (Size k = rows.first; k < rows.last; ++k) {
    for (Size d = 0; d < D; ++d) {
      T sum = 0;
      for (Size n = 0; n < N; ++n) {
        if (row_of(x[n * I + codes.column], codes.K) == k) sum += dout[n * (I - 1 + D) + I - 1 + d];
      }
      dw[k * D + d] = sum;
    }
  }
}

}  // namespace
}  // namespace handnn
