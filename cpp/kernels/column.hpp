// Products with few columns whose left factor has contiguous rows, such as x (N, I) . w (I, 1) and,
// as its transpose, dx (N, I) = dout (N, O) . w (I, O)^T of few rows.
//
// Several rows share a vector, one in each lane. Squares of a are transposed in registers:
//
//       a: rows                           for every square of lanes x lanes elements:
//   .------.------.------                   transpose it,
//   |square|square| ...                     then for each of its columns k and each column c of b:
//   '------'------'------                     sum[c] = fma(column, broadcast b(k, c), sum[c])
//
// So a is read once and not copied, where a tile of rows would leave most lanes of a vector empty.
#pragma once

#include "tile.hpp"
#include "transpose.hpp"

namespace handnn {
namespace {

// The largest number of columns of such a product: the registers hold their sums and part of a
// square.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int most_few_columns = 8;
#else
constexpr int most_few_columns = 4;
#endif

template <class S, class T>
inline void store_lanes(T* p, S v) {
  __builtin_memcpy(p, &v, sizeof v);
}

// out(m, c) = data[m * row + c * step].
template <class T>
struct StridedOut {
  T* data;
  Size row, step;

  StridedOut from(Size m, Size c) const { return {data + m * row + c * step, row, step}; }
};

// sum[v][c] += row(v L + lane) . column c of b (K, C), for V vectors of rows, in ascending k.
// S is a vector of L lanes, Short or Vector. Unrolled code is faster, and several times as large.
template <class S, int V, int C, bool is_unrolled, class T, class Row>
inline void sum_rows(S (&sum)[V][C], Row row, Strided<T> b, Size K) {
  constexpr Size L = Size(sizeof(S) / sizeof(T)), P = columns_of_part<S, C>;
  const auto add_part = [&](auto row_at, Size k, Size j, Size count) {
    S columns[V][P];
    HANDNN_UNROLL
    for (int v = 0; v < V; ++v) {
      transposed_part(columns[v], [&](Size r) { return row_at(v * L + r); }, j);
    }
    HANDNN_UNROLL
    for (Size i = 0; i < P; ++i) {
      if (i >= count) break;
      HANDNN_UNROLL
      for (int c = 0; c < C; ++c) {
        const S element = b.at(k + i, c) - S{};
        HANDNN_UNROLL
        for (int v = 0; v < V; ++v) sum[v][c] = fma(columns[v][i], element, sum[v][c]);
      }
    }
  };
  Size k = 0;
  for (; k + L <= K; k += L) {
    const auto row_at = [&](Size r) { return row(r) + k; };
    if constexpr (is_unrolled) {
      HANDNN_UNROLL
      for (Size j = 0; j < L; j += P) add_part(row_at, k + j, j, P);
    } else {
      for (Size j = 0; j < L; j += P) add_part(row_at, k + j, j, P);
    }
  }
  if (k == K) return;
  const First<T> rest(K - k);
  T square[V * L * lanes<T>];
  for (Size r = 0; r < V * L; ++r) store(square + r * lanes<T>, load(row(r) + k, rest));
  for (Size j = 0; k + j < K; j += P) {
    add_part([&](Size r) { return square + r * lanes<T>; }, k + j, j, K - k - j);
  }
}

// The same for `count` rows, from their starts to `out`; start is null or has a number for each
// column.
template <class S, int V, int C, class T>
void rows_of_few_columns(StridedOut<T> out, Strided<T> a, Strided<T> b, const T* start, Size K,
                         Size count) {
  constexpr Size L = Size(sizeof(S) / sizeof(T));
  S sum[V][C];
  HANDNN_UNROLL
  for (int v = 0; v < V; ++v) {
    HANDNN_UNROLL
    for (int c = 0; c < C; ++c) sum[v][c] = (start ? start[c] : T(0)) - S{};
  }
  constexpr bool is_whole = sizeof(S) > sizeof(Short<T>);
  if (is_whole || count == V * L) {  // there are always rows enough for a whole vector
    const auto row = [&](Size r) { return a.data + r * a.row; };
    sum_rows<S, V, C, !is_whole || C <= 2>(sum, row, b, K);
  } else {  // the last row is computed several times
    const auto row = [&](Size r) { return a.data + (r < count ? r : count - 1) * a.row; };
    sum_rows<S, V, C, false>(sum, row, b, K);
  }
  if (out.row == 1 && count == V * L) {
    HANDNN_UNROLL
    for (int v = 0; v < V; ++v) {
      HANDNN_UNROLL
      for (int c = 0; c < C; ++c) store_lanes(out.data + c * out.step + v * L, sum[v][c]);
    }
    return;
  }
  T sums[C][V * L];
  for (int v = 0; v < V; ++v) {
    for (int c = 0; c < C; ++c) store_lanes(sums[c] + v * L, sum[v][c]);
  }
  for (Size r = 0; r < count; ++r) {
    for (int c = 0; c < C; ++c) out.data[r * out.row + c * out.step] = sums[c][r];
  }
}

// out (M, J) = start (J) + a (M, K) . b (K, J), 1 <= J <= C.
template <int C, class T>
void product_of_few_columns(StridedOut<T> out, Strided<T> a, Strided<T> b, const T* start, Size M,
                            Size K, Size J) {
  if constexpr (C > 1) {
    if (J < C) return product_of_few_columns<C - 1>(out, a, b, start, M, K, J);
  }
  constexpr int V = C <= 2 ? 2 : most_few_columns / 4;  // enough independent sums
  const auto rows = [&]<class S, int W>(Size m) {
    constexpr Size R = W * Size(sizeof(S) / sizeof(T));
    const Size count = M - m < R ? M - m : R;
    rows_of_few_columns<S, W, C>(out.from(m, 0), a.from(m, 0), b, start, K, count);
    return m + count;
  };
  Size m = 0;
#if defined(__AVX512F__)
  // Whole vectors shuffle less, but read twice as many rows at a time. That is slower from beyond
  // the L2 cache, unless there is little else to do; and rows that are a multiple of 2,048 bytes
  // apart compete for few sets of the L1 cache.
  constexpr Size L = lanes<T>;
  constexpr bool has_whole = C <= 4 || C == 8;  // the code for each number of columns is large
  const Size apart = a.row * Size(sizeof(T));
  if (C == 1 || M * apart <= 1 << 20) {
    if (apart % 2048 == 0) {
      if constexpr (C <= 2) {
        while (m + L <= M) m = rows.template operator()<Vector<T>, 1>(m);
      }
    } else if constexpr (has_whole) {
      while (m + 2 * L <= M) m = rows.template operator()<Vector<T>, 2>(m);
    }
  }
#endif
  while (m < M) m = rows.template operator()<Short<T>, V>(m);
}

}  // namespace
}  // namespace handnn
