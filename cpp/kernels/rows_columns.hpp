// Sums along the rows and down the columns of a matrix, in its own dtype and in an order that does
// not depend on the machine:
//
//   row_sum        column c goes to partial sum c mod 16, each in ascending c, and the 16 are added
//                  pairwise at the end
//   column_sum     one chain in ascending n
//
// The terms are given by a function: add(at, sum) returns sum plus the term at `at`.
#pragma once

#include "each_vector.hpp"
#include "sums.hpp"

namespace handnn {
namespace {

// -> the sum over the O columns of a row.
template <class T, class Add>
inline T row_sum(Size O, Add add) {
  constexpr int vectors = partial_sums / lanes<T>;
  Vector<T> sums[vectors] = {};
  Size c = 0;
  for (; c + partial_sums <= O; c += partial_sums) {
    HANDNN_UNROLL
    for (int v = 0; v < vectors; ++v) sums[v] = add(WholeVector<T>{c + v * lanes<T>}, sums[v]);
  }
  HANDNN_UNROLL
  for (int v = 0; v < vectors; ++v, c += lanes<T>) {
    if (c + lanes<T> <= O) {
      sums[v] = add(WholeVector<T>{c}, sums[v]);
    } else if (c < O) {
      const PartialVector<T> at{c, First<T>(O - c)};
      sums[v] = with_rest<T>(add(at, sums[v]), sums[v], O - c);
    }
  }
  T partial[partial_sums];
  for (int v = 0; v < vectors; ++v) store(partial + v * lanes<T>, sums[v]);
  return add_pairwise(partial);
}
template <class T, class Add>
inline T row_sum_naive(Size O, Add add) {
  T partial[partial_sums] = {};
  for (Size c = 0; c < O; ++c) partial[c % partial_sums] = add(c, partial[c % partial_sums]);
  return add_pairwise(partial);
}

// x (O) -> its largest element, -inf for O = 0. With a NaN the result depends on the order.
template <class T>
inline T row_max(const T* x, Size O) {
  T most = -__builtin_inf();
  Size c = 0;
  if (O >= lanes<T>) {
    Vector<T> largest = load(x);
    for (c = lanes<T>; c + lanes<T> <= O; c += lanes<T>) largest = at_least(largest, load(x + c));
    // An element counted twice does not change the maximum, so the last vector may overlap the one
    // before it.
    largest = at_least(largest, load(x + O - lanes<T>));
    T each[lanes<T>];
    store(each, largest);
    for (int i = 0; i < lanes<T>; ++i) most = at_least(most, each[i]);
    return most;
  }
  for (; c < O; ++c) most = at_least(most, x[c]);
  return most;
}
template <class T>
inline T row_max_naive(const T* x, Size O) {
  T most = -__builtin_inf();
  for (Size c = 0; c < O; ++c) most = at_least(most, x[c]);
  return most;
}

// The number of rows of a strip in loops down the columns of a matrix (N, O). Distant rows compete
// for few cache sets, so strips of long rows are short.
template <class T>
inline Size strip_rows(Size N, Size O) {
  return O * Size(sizeof(T)) <= 512 ? N : 4;
}

// Calls f(at, start, end) for the rows start ... end - 1 of each vector of the columns.
template <class T, class F>
inline void for_each_strip(Size N, Size O, Range columns, F f) {
  const Size rows = strip_rows<T>(N, O);
  for (Size start = 0; start < N; start += rows) {
    const Size end = start + rows < N ? start + rows : N;
    for_each_vector<T>(columns.first, columns.last, [&](auto at) { f(at, start, end); });
  }
}

// -> sums (O), of these columns only; the term is add(at, n, sum). With `continues`, the chains
// start from what sums holds, instead of from 0. Four vectors of columns at a time, so that
// additions do not wait for each other.
template <class T, class Add>
inline void column_sum(T* sums, Size N, Size O, Range columns, Add add, bool continues = false) {
  constexpr Size L = lanes<T>;
  const auto [first, last] = columns;
  const Size rows = strip_rows<T>(N, O);
  if (!continues) for_each_vector<T>(first, last, [&](auto at) { at.store(sums, Vector<T>{}); });
  for (Size start = 0; start < N; start += rows) {
    const Size end = start + rows < N ? start + rows : N;
    Size c = first;
    for (; c + 4 * L <= last; c += 4 * L) {
      Vector<T> sum[4];
      for (int v = 0; v < 4; ++v) sum[v] = load(sums + c + v * L);
      for (Size n = start; n < end; ++n) {
        HANDNN_UNROLL
        for (int v = 0; v < 4; ++v) sum[v] = add(WholeVector<T>{c + v * L}, n, sum[v]);
      }
      for (int v = 0; v < 4; ++v) store(sums + c + v * L, sum[v]);
    }
    for_each_vector<T>(c, last, [&](auto at) {
      Vector<T> sum = at.load(sums);
      for (Size n = start; n < end; ++n) sum = add(at, n, sum);
      at.store(sums, sum);
    });
  }
}

}  // namespace
}  // namespace handnn
