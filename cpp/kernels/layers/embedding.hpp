// Embedding: out = x without its column of codes, followed by the row of w that the code selects
//
// Column `column` of x (N, I) holds codes: integers from 0 to K - 1, which the caller has checked.
// w (K, D) has a row for each code. In out (N, I - 1 + D) the columns of x after the codes move
// left by one.
//
// Copies and a few additions: these functions are not in the table of an instruction set.
#pragma once

#include <cstddef>
#include <cstring>

#include "../arguments.hpp"

namespace handnn {
namespace {

// The row of w for a code. An invalid code selects row 0: the caller has checked the codes, but
// another thread may have overwritten x in the meantime.
template <class T>
inline Size row_of(T code, Size K) {
  return code >= 0 && code < T(K) ? Size(code) : 0;
}

// codes (N), w (K, D) -> N rows of D columns of out, which are out_row apart.
template <class T>
void embedding_vectors(T* out, Size out_row, CodesOf<T> codes, const T* w, Size N, Size D) {
  if (D == 0) return;  // w may be null
  for (Size n = 0; n < N; ++n) {
    const T* row = w + row_of(codes.at(n), codes.K) * D;
    std::memcpy(out + n * out_row, row, std::size_t(D) * sizeof(T));
  }
}

// x (N, I), w (K, D) -> out (N, I - 1 + D), overwritten.
template <class T>
void embedding_forward(T* out, const T* x, const T* w, Codes codes, Size N, Size I, Size D) {
  const auto [column, K] = codes;
  const Size O = I - 1 + D;
  embedding_vectors(out + I - 1, O, {x + column, I, K}, w, N, D);
  for (Size n = 0; n < N; ++n, x += I, out += O) {
    std::memcpy(out, x, std::size_t(column) * sizeof(T));
    std::memcpy(out + column, x + column + 1, std::size_t(I - 1 - column) * sizeof(T));
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
  for (Size n = 0; n < N; ++n, dx += I, dout += I - 1 + D) {
    std::memcpy(dx, dout, std::size_t(column) * sizeof(T));
    dx[column] = 0;
    std::memcpy(dx + column + 1, dout + column, std::size_t(I - 1 - column) * sizeof(T));
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

// N rows of D columns of dout, which are dout_row apart, codes (N) -> a range of the rows of
//   dw (K, D), overwritten; the other rows are unchanged, so that threads can share dw.
//   dw[k][d] = 0 + dout[n][d] + ..., over the rows n of code k in ascending order
template <class T>
void embedding_backward_dw(T* dw, const T* dout, Size dout_row, CodesOf<T> codes, Size N, Size D,
                           Range rows) {
  for (Size i = rows.first * D; i < rows.last * D; ++i) dw[i] = 0;
  for (Size n = 0; n < N; ++n) {
    const Size code = row_of(codes.at(n), codes.K);
    if (code < rows.first || code >= rows.last) continue;
    const T* term = dout + n * dout_row;
    T* sum = dw + code * D;
    for (Size d = 0; d < D; ++d) sum[d] += term[d];
  }
}
template <class T>
void embedding_backward_dw_naive(T* dw, const T* dout, Size dout_row, CodesOf<T> codes, Size N,
                                 Size D, Range rows) {
  for (Size k = rows.first; k < rows.last; ++k) {
    for (Size d = 0; d < D; ++d) {
      T sum = 0;
      for (Size n = 0; n < N; ++n) {
        if (row_of(codes.at(n), codes.K) == k) sum += dout[n * dout_row + d];
      }
      dw[k * D + d] = sum;
    }
  }
}

}  // namespace
}  // namespace handnn
