// A product with one column whose left factor has contiguous rows, such as x (N, I) . w (I, 1).
//
// Several rows share a vector, one in each lane. Squares of a are transposed in registers:
//
//       a: rows                           for every square of lanes x lanes elements:
//   .------.------.------                   transpose it,
//   |square|square| ...                     then for each of its columns k:
//   '------'------'------                     sum = fma(column, broadcast b(k), sum)
//
// So a is read once and not copied, where a tile of rows would leave most lanes of a vector empty.
#pragma once

#include "tile.hpp"
#include "transpose.hpp"

namespace handnn {
namespace {

// sums[r] = start + row(r) . b (K), for V vectors of rows; row(r) is the address of a row.
template <int V, class T, class Row>
inline void sum_rows(T (&sums)[V * lanes<T>], Row row, Strided<T> b, T start, Size K) {
  constexpr Size L = lanes<T>;
  Vector<T> sum[V];
  HANDNN_UNROLL
  for (int v = 0; v < V; ++v) sum[v] = splat(start);
  Size k = 0;
  for (; k + L <= K; k += L) {
    HANDNN_UNROLL
    for (int v = 0; v < V; ++v) {
      Vector<T> columns[L];
      transposed(columns, [&](Size r) { return row(v * L + r) + k; });
      HANDNN_UNROLL
      for (Size i = 0; i < L; ++i) sum[v] = fma(columns[i], splat(b.at(k + i, 0)), sum[v]);
    }
  }
  HANDNN_UNROLL
  for (int v = 0; v < V; ++v) store(sums + v * L, sum[v]);
  for (Size r = 0; k < K && r < V * L; ++r) {
    for (Size i = k; i < K; ++i) sums[r] = fma(row(r)[i], b.at(i, 0), sums[r]);
  }
}

// out (M, 1) = start + a (M, K) . b (K, 1).
template <class T>
void product_of_column(RowMajor<T> out, Strided<T> a, Strided<T> b, T start, Size M, Size K) {
  constexpr int V = 2;  // more sums would not stay in 16 registers
  constexpr Size R = V * lanes<T>;
  T sums[R];
  for (Size m = 0; m < M; m += R) {
    const Size count = M - m < R ? M - m : R;
    const T* rows = a.data + m * a.row;
    if (count == R) {
      sum_rows<V>(sums, [&](Size r) { return rows + r * a.row; }, b, start, K);
    } else {  // the last row is computed several times
      const auto row = [&](Size r) { return rows + (r < count ? r : count - 1) * a.row; };
      sum_rows<V>(sums, row, b, start, K);
    }
    for (Size r = 0; r < count; ++r) out.data[(m + r) * out.row] = sums[r];
  }
}

}  // namespace
}  // namespace handnn
