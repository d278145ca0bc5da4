// Products with one column of long rows, x (N, I) . w (I) + b: dot products. So is the gradient of
// a single input, dout (N, O) . w (O).
//
// An element is several chains of fused multiply-adds, which are added in pairs in the end:
//
//   chain j    the terms j, j + chains, j + 2 chains, ... in ascending order, from 0
//   out        the chains, added like all partial sums (sums.hpp), plus b
//
// So a lane holds a chain, and x is used as it lies in memory. With a single chain, lanes would
// hold rows, and x would be transposed in registers (column.hpp), which takes up to twice as long.
#pragma once

#include "column.hpp"
#include "sums.hpp"

namespace handnn {
namespace {

// Whether elements of a product with K terms and J columns are such sums. Measured: for shorter
// rows the sums in the end take too long.
constexpr Size least_dot_terms = 32;
constexpr bool is_dot(Size K, Size J) { return J == 1 && K >= least_dot_terms; }

// The lanes of the widest vector. Several rows at once hide the latency of their chains.
template <class T>
constexpr int chains = 64 / int(sizeof(T));
constexpr int most_dot_rows = vector_bytes == 64 ? 8 : has_fma ? 4 : 1;

template <class T>
void dots_naive(T* out, const T* x, const T* w, const T* b, Size N, Size I) {
  for (Size n = 0; n < N; ++n) {
    T sums[chains<T>] = {};
    for (Size i = 0; i < I; ++i) {
      T& sum = sums[i % chains<T>];
      sum = fma(x[n * I + i], w[i], sum);
    }
    out[n] = add_pairwise<chains<T>>(sums) + (b ? *b : T(0));
  }
}

// x (N, I), w (I), b (1) or null, and whether to prefetch the rows that come next.
template <class T>
struct DotFactors {
  const T *x, *w, *b;
  Size I;
  bool prefetches;
};

// The chains of R rows, added until they fit into a short vector. Rows beyond the last one repeat
// it.
template <int R, class T>
inline void add_terms(T (*sums)[short_lanes<T>], const DotFactors<T>& of, Range rows) {
  constexpr Size L = lanes<T>;
  constexpr int V = chains<T> / L;
  const Size I = of.I, most = rows.last - rows.first - 1;
  const T *row[R], *const w = of.w;
  Vector<T> sum[R][V];
  HANDNN_UNROLL
  for (int r = 0; r < R; ++r) {
    row[r] = of.x + (rows.first + (r < most ? r : most)) * I;
    HANDNN_UNROLL
    for (int v = 0; v < V; ++v) sum[r][v] = Vector<T>{};
  }
  const auto add = [&](int v, Vector<T> w_part, auto at) {
    HANDNN_UNROLL
    for (int r = 0; r < R; ++r) sum[r][v] = fma(at.load(row[r]), w_part, sum[r][v]);
  };
  Size i = 0;
  for (; i + chains<T> <= I; i += chains<T>) {
    for (int r = 0; of.prefetches && r < R; ++r) prefetch(row[r] + R * I + i);
    HANDNN_UNROLL
    for (int v = 0; v < V; ++v) add(v, load(w + i + v * L), WholeVector<T>{i + v * L});
  }
  // Lanes beyond the last term add 0 * -0, which changes no sum.
  HANDNN_UNROLL
  for (int v = 0; i < I && v < V; ++v) {
    const Size rest = I - i - v * L, count = rest < 0 ? 0 : rest < L ? rest : L;
    const PartialVector<T> at{i + v * L, First<T>(count)};
    add(v, with_rest<T>(at.load(w), splat(T(-0.0)), count), at);
  }
  HANDNN_UNROLL
  for (int r = 0; r < R; ++r) {
    HANDNN_UNROLL
    for (int half = V / 2; half > 0; half /= 2) {
      HANDNN_UNROLL
      for (int v = 0; v < half; ++v) sum[r][v] += sum[r][v + half];
    }
    if constexpr (short_lanes<T> == lanes<T>) {
      store_lanes(sums[r], sum[r][0]);
    } else {
      struct Halves {
        Short<T> low, high;
      };
      const Halves halves = __builtin_bit_cast(Halves, sum[r][0]);
      store_lanes(sums[r], halves.low + halves.high);
    }
  }
}

// The sums of as many rows as a short vector has lanes, one in each lane.
template <class T>
inline Short<T> pairwise_sums(const T (*sums)[short_lanes<T>]) {
  constexpr int L = short_lanes<T>, P = transposed_columns<T>;
  Short<T> column[L];
  HANDNN_UNROLL
  for (int c = 0; c < L; c += P) {
    Short<T> part[P];
    transposed_part(part, [&](Size r) { return sums[r] + c; });
    HANDNN_UNROLL
    for (int i = 0; i < P; ++i) column[c + i] = part[i];
  }
  HANDNN_UNROLL
  for (int half = L / 2; half > 0; half /= 2) {
    HANDNN_UNROLL
    for (int c = 0; c < half; ++c) column[c] += column[c + half];
  }
  return column[0];
}

// The elements of some rows, R at a time.
template <int R, class T>
__attribute__((noinline)) void dots_of_rows(T* out, const DotFactors<T>& of, Range rows) {
  constexpr int L = short_lanes<T>, block = R < L ? L : R;
  const T bias = of.b ? *of.b : T(0);
  for (Size n = rows.first; n < rows.last; n += block) {
    T sums[block][L];
    const Size count = rows.last - n < block ? rows.last - n : block;
    HANDNN_ROLL
    for (Size r = 0; r < count; r += R) add_terms<R>(sums + r, of, {n + r, rows.last});
    HANDNN_ROLL
    for (Size r = 0; count == block && r < block; r += L) {
      store_lanes(out + n + r, pairwise_sums(sums + r) + bias);
    }
    HANDNN_ROLL
    for (Size r = 0; r < count && count < block; ++r) {
      out[n + r] = add_pairwise<L>(sums[r]) + bias;
    }
  }
}

// x (N, I), w (I), b (1) or null -> out (N).
template <class T>
void dots(T* out, const T* x, const T* w, const T* b, Size N, Size I) {
  // What fits into the L2 cache is read faster in fewer rows at once. Measured.
  const bool is_large = N * I * Size(sizeof(T)) > 1 << 20;
  const DotFactors<T> of = {x, w, b, I, prefetches_rows(Strided<T>{x, I, 1}, N)};
  constexpr int R = most_dot_rows, few = R < 4 ? R : 4;
  const Size many = R > few && is_large ? N / R * R : 0;
  if (many > 0) dots_of_rows<R>(out, of, {0, many});
  if (many < N) dots_of_rows<few>(out, of, {many, N});
}

}  // namespace
}  // namespace handnn
