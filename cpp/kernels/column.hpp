// Products with few columns whose left factor has contiguous rows, such as x (N, I) . w (I, 2) and,
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

#include <utility>

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

// The rows of a vector, up to 8. Their addresses are sums of two pointers and small multiples of a
// distance, which x86 forms while it loads. The compiler would keep a pointer for each row, most of
// them in memory.
template <class T>
struct RowGroup {
  const char *first, *fifth;
  Size apart, apart_3;

  RowGroup(const T* at, Size row)
      : first(reinterpret_cast<const char*>(at)),
        fifth(first + (short_lanes<T> > 5 ? 5 : 0) * row * Size(sizeof(T))),
        apart(row * Size(sizeof(T))),
        apart_3(3 * apart) {}

  const T* operator()(Size r) const {
    const char* at = r == 0   ? first
                     : r == 3 ? first + apart_3
                     : r == 5 ? fifth
                     : r == 6 ? first + 2 * apart_3
                     : r == 7 ? fifth + 2 * apart
                              : first + r * apart;
    return reinterpret_cast<const T*>(at);
  }
  void advance() {
    first += 16;
    fifth += 16;
  }
};

// sum[c] += row(lane) . column c of b (P, C), for the first P columns of the rows; only for those
// in `which`.
template <int C, class T, class Row>
inline void add_part(Short<T> (&sum)[C], const Row& row, const Strided<T>& b, Range which) {
  constexpr int P = transposed_columns<T>;
  Short<T> columns[P];
  transposed_part(columns, row);
  HANDNN_UNROLL
  for (int i = 0; i < P; ++i) {
    if (i < which.first || i >= which.last) continue;
    HANDNN_UNROLL
    for (int c = 0; c < C; ++c) sum[c] = fma(columns[i], b.at(i, c) - Short<T>{}, sum[c]);
  }
}

// The same for V groups of rows and `parts` parts of them. Each group is `skew` parts behind the
// one before it. With `prefetches`, the rows that come next are prefetched.
template <int V, int C, int skew, class T>
inline void add_parts(Short<T> (&sum)[V][C], const Size (&first)[V], const Strided<T>& a,
                      const Strided<T>& b, Size parts, bool prefetches) {
  constexpr int P = transposed_columns<T>;
  constexpr Size L = short_lanes<T>, line = 64 / Size(sizeof(T));
  const auto group = [&](int v) { return RowGroup<T>(a.from(first[v], 0).data, a.row); };
  RowGroup<T> rows[] = {group(0), group(V > 1 ? 1 : 0), group(V > 2 ? 2 : 0), group(V > 3 ? 3 : 0)};
  for (Size part = 0; part < parts + (V - 1) * skew; ++part) {
    HANDNN_UNROLL
    for (int v = 0; v < V; ++v) {
      const Size at = part - v * skew;
      if (skew > 0 && (at < 0 || at >= parts)) continue;
      if (prefetches) {
        const T* next = a.from(first[v] + V * L, 0).data + at * P * L;
        for (Size i = 0; i < P * L; i += line) prefetch(next + i);
      }
      add_part(sum[v], rows[v], b.from(at * P, 0), {0, P});
      rows[v].advance();
    }
  }
}

// The same for all columns of up to a vector of rows. The lanes of missing rows repeat the last
// one. Less than a part of columns is copied.
template <int C, class T>
__attribute__((noinline)) void add_few(Short<T> (&sum)[C], const Strided<T>& a, const Strided<T>& b,
                                       Size K, Size count) {
  constexpr Size L = short_lanes<T>, P = transposed_columns<T>;
  const auto row = [&](Size r) { return a.from(r < count ? r : count - 1, 0).data; };
  T square[L * lanes<T>];
  for (Size r = 0; r < L && K < P; ++r) store(square + r * lanes<T>, load(row(r), First<T>(K)));
  if (K < P) return add_part(sum, [&](Size r) { return square + r * lanes<T>; }, b, {0, K});
  // Inlined, because the first loop is much faster if `which` is known.
  const auto part = [&](Size k, Range which) __attribute__((always_inline)) {
    add_part(sum, [&](Size r) { return row(r) + k; }, b.from(k, 0), which);
  };
  for (Size k = 0; k + P <= K; k += P) part(k, {0, P});
  if (K % P > 0) part(K - P, {P - K % P, P});  // overlaps the one before it
}

// Whether to prefetch the rows of a (M, K): if they are many and short. The CPU itself finds what
// comes next in long rows, and prefetches slow down what is in a cache. Measured.
template <class T>
inline bool prefetches_rows(const Strided<T>& a, Size M) {
  const Size row = a.row * Size(sizeof(T));
  return M > 256 && row <= 1 << 12 && M * row > 1 << 17;
}

// out (M, C) from row m on, V vectors of rows; start is null or has a number for each column. The
// last vector and the last part may overlap those before them.
template <int V, int C, int skew, class T>
void rows_of_few_columns(const StridedOut<T>& out, const Strided<T>& a, const Strided<T>& b,
                         const T* start, Size m, Size M, Size K) {
  constexpr Size L = short_lanes<T>, P = transposed_columns<T>;
  const Size count = M < L ? M : L;
  Size first[V];
  Short<T> sum[V][C];
  HANDNN_UNROLL
  for (int v = 0; v < V; ++v) {
    first[v] = m + (v + 1) * L <= M ? m + v * L : M - count;
    HANDNN_UNROLL
    for (int c = 0; c < C; ++c) sum[v][c] = (start ? start[c] : T(0)) - Short<T>{};
  }
  if (V > 1 || (count == L && K >= P)) {
    add_parts<V, C, skew>(sum, first, a, b, K / P, prefetches_rows(a, M));
    HANDNN_UNROLL
    for (int v = 0; v < V; ++v) {
      if (K % P == 0) break;
      const RowGroup<T> rows(a.from(first[v], K - P).data, a.row);
      add_part(sum[v], rows, b.from(K - P, 0), {P - K % P, P});
    }
  } else {
    add_few(sum[0], a.from(first[0], 0), b, K, count);
  }
  T sums[V][C][L];
  HANDNN_UNROLL
  for (int v = 0; v < V; ++v) {
    HANDNN_UNROLL
    for (int c = 0; c < C; ++c) store_lanes(sums[v][c], sum[v][c]);
  }
  for (int v = 0; v < V; ++v) {
    const StridedOut<T> to = out.from(first[v], 0);
    for (int c = 0; c < C; ++c) {
      T* column = to.data + c * to.step;
      if (to.row == 1 && count == L) {
        __builtin_memcpy(column, sums[v][c], sizeof sums[v][c]);
      } else {
        for (Size r = 0; r < count; ++r) column[r * to.row] = sums[v][c][r];
      }
    }
  }
}

// out (M, C) = start (C) + a (M, K) . b (K, C).
template <int C, class T>
void product_of_columns(const StridedOut<T>& out, const Strided<T>& a, const Strided<T>& b,
                        const T* start, Size M, Size K) {
  constexpr Size L = short_lanes<T>;
  const auto add = [&]<int V, int skew>(Size m) {
    rows_of_few_columns<V, C, skew>(out, a, b, start, m, M, K);
    return m + V * L;
  };
  // A vector of rows has C chains, too few to be fast for few columns. But rows a multiple of 2,048
  // bytes apart compete for the 8 lines of few sets of the L1 cache: there are 16 of them at most,
  // one vector of floats four lines before the other.
  const bool compete = a.row * Size(sizeof(T)) % 2048 == 0;
  constexpr bool has_three = C <= 4, has_two = has_three || most_few_columns == 8;
  constexpr int skew = has_three && sizeof(T) == 4 ? 16 : 0;
  for (Size m = 0; m < M;) {
    const Size vectors = M < L || K < transposed_columns<T> ? 1 : (M - m + L - 1) / L;
    if (has_three && vectors > 2 && vectors != 4 && !compete) {
      m = add.template operator()<has_three ? 3 : 1, 0>(m);
    } else if (skew > 0 && vectors > 1 && compete) {
      m = add.template operator()<skew ? 2 : 1, skew>(m);
    } else if (has_two && vectors > 1 && !(compete && sizeof(T) == 4)) {
      m = add.template operator()<has_two ? 2 : 1, 0>(m);
    } else {
      m = add.template operator()<1, 0>(m);
    }
  }
}

// The same for J <= most_few_columns columns. A table is faster than a chain of comparisons.
template <class T>
struct ProductsOfColumns {
  decltype(&product_of_columns<1, T>) of[most_few_columns];
};
template <class T, int... before>
constexpr ProductsOfColumns<T> products_of_columns(std::integer_sequence<int, before...>) {
  return {{product_of_columns<before + 1, T>...}};
}
template <class T>
void product_of_few_columns(const StridedOut<T>& out, const Strided<T>& a, const Strided<T>& b,
                            const T* start, Size M, Size K, Size J) {
  static constexpr auto products =
      products_of_columns<T>(std::make_integer_sequence<int, most_few_columns>());
  products.of[J - 1](out, a, b, start, M, K);
}

}  // namespace
}  // namespace handnn
