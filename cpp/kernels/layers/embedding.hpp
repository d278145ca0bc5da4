// Embedding: a column of category codes is replaced by the vectors that w has for the codes
//
// x (N, I): whole numbers from 0 to K - 1 in one column, anything in the others. w (K, D). out
// (N, I - 1 + D): the other columns in their order, then the vector. Plain loops: each kernel is
// its own naive twin. Whoever calls has checked the codes.
#pragma once

#include "../size.hpp"

namespace handnn {
namespace {

template <class T>
inline T* copy(T* out, const T* from, Size n) {
  for (Size i = 0; i < n; ++i) out[i] = from[i];
  return out + n;
}

// The row of w for a code; the nearest there is, for another thread may write to x meanwhile.
template <class T>
inline Size row_of(T code, Size K) {
  return code >= T(0) ? (code < T(K) ? Size(code) : K - 1) : 0;
}

// x (N, I), w (K, D) -> out (N, I - 1 + D), overwritten.
template <class T>
void embedding_forward(T* out, const T* x, const T* w, Size N, Size I, Size K, Size D,
                       Size column) {
  for (Size n = 0; n < N; ++n, x += I) {
    const T* vector = w + row_of(x[column], K) * D;
    out = copy(out, x, column);
    out = copy(out, x + column + 1, I - 1 - column);
    out = copy(out, vector, D);
  }
}

// dout (N, I - 1 + D) -> dx (N, I), overwritten; 0 in the column of codes.
template <class T>
void embedding_backward(T* dx, const T* dout, Size N, Size I, Size D, Size column) {
  for (Size n = 0; n < N; ++n, dx += I, dout += I - 1 + D) {
    copy(dx, dout, column);
    dx[column] = 0;
    copy(dx + column + 1, dout + column, I - 1 - column);
  }
}

// dout (N, I - 1 + D), x (N, I) -> dw (K, D), overwritten: the sums of the rows of dout with that
// code, in ascending order; 0 for a code that does not come.
template <class T>
void embedding_gradient(T* dw, const T* dout, const T* x, Size N, Size I, Size K, Size D,
                        Size column) {
  for (Size i = 0; i < K * D; ++i) dw[i] = 0;
  for (Size n = 0; n < N; ++n) {
    T* row = dw + row_of(x[n * I + column], K) * D;
    const T* vector = dout + n * (I - 1 + D) + I - 1;
    for (Size d = 0; d < D; ++d) row[d] += vector[d];
  }
}

}  // namespace
}  // namespace handnn
