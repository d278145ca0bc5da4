// The column of the largest number in each row, such as the predicted class of a row of logits.
//
//   largest_columns   columns (N) of x (N, O): the first of equal ones; NaN counts as the largest
#pragma once

#include "pack.hpp"

namespace handnn {
namespace {

template <class T>
void largest_columns_naive(Size* columns, const T* x, Size N, Size O) {
  for (Size n = 0; n < N; ++n) {
    const T* row = x + n * O;
    columns[n] = 0;
    for (Size o = 1; o < O; ++o) {
      const T best = row[columns[n]];
      if (best == best && !(row[o] <= best)) columns[n] = o;
    }
  }
}

// Processes as many rows at once as a vector has lanes: one vector holds the largest number of each
// row so far, another its column. This avoids a branch that a CPU would mispredict about twice per
// row. x is rarely in a cache, so it is prefetched a few pages ahead.
template <class T>
void largest_columns(Size* columns, const T* x, Size N, Size O) {
  constexpr Size L = lanes<T>, most = 1 << 24;  // exact in float
  constexpr Size line = 64 / sizeof(T), ahead = 128 * line;
  if (O > most) return largest_columns_naive(columns, x, N, O);
  T part[L * L], found[L];
  for (Size n = 0; n < N; n += L) {
    const Size count = N - n < L ? N - n : L;
    for (Size i = n * O + ahead; i < (n + L) * O + ahead && i < N * O; i += line) {
      __builtin_prefetch(x + i);
    }
    Vector<T> best = splat(-T(__builtin_inff())), column{};
    for (Size o = 0; o < O; o += L) {
      const Size width = O - o < L ? O - o : L;
      pack_transposed(part, L, x + n * O + o, O, count, width);
      for (Size j = 0; j < width; ++j) {
        const Vector<T> value = load(part + j * L);
        const auto is_larger = ~(value <= best) & (best == best);
        best = is_larger ? value : best;
        column = is_larger ? splat(T(o + j)) : column;
      }
    }
    store(found, column);
    for (Size i = 0; i < count; ++i) columns[n + i] = Size(found[i]);
  }
}

}  // namespace
}  // namespace handnn
