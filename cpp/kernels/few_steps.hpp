// Products with few steps of k, where the loads and stores of the output take most of the time.
#pragma once

#include "output.hpp"

namespace handnn {
namespace {

// Few steps of k and at most C vectors of columns: b stays in registers, and each row of out is
// computed by itself. Lanes beyond the columns are overwritten by the next row. out (M, J) is
// contiguous.
template <int K, int C, class T>
void product_of_few_steps(T* out, const Strided<T>& a, RowMajor<const T> b, const T* start, Size M,
                          Size J) {
  constexpr Size L = lanes<T>, last = (C - 1) * L;
  const First<T> first(J - last);
  Vector<T> b_rows[K][C], start_row[C] = {};
  const auto load_row = [&](Vector<T>(&row)[C], const T* from) {
    HANDNN_UNROLL
    for (int c = 0; c < C - 1; ++c) row[c] = load(from + c * L);
    row[C - 1] = load(from + last, first);
  };
  HANDNN_UNROLL
  for (int k = 0; k < K; ++k) load_row(b_rows[k], b.data + k * b.row);
  if (start) load_row(start_row, start);
  const T* a_m = a.data;
  const Size a_row = a.row, a_step = a.step;  // copies, which no store to out can change
  // Stores all vectors of row m but the last, which is returned.
  const auto row = [&](Size m) {
    Vector<T> sum[C];
    HANDNN_UNROLL
    for (int c = 0; c < C; ++c) {
      sum[c] = start_row[c];
      HANDNN_UNROLL
      for (int k = 0; k < K; ++k) sum[c] = fma(splat(a_m[k * a_step]), b_rows[k][c], sum[c]);
      if (c < C - 1) store(out + m * J + c * L, sum[c]);
    }
    a_m += a_row;
    return sum[C - 1];
  };
  Size m = 0;
  for (; m * J + C * L <= M * J; ++m) store(out + m * J + last, row(m));
  for (; m < M; ++m) store(out + m * J + last, row(m), first);
}

// x[lane] for each of the lanes.
template <class V>
inline V permuted(V x, Int<V> lane) {
#if defined(__clang__)
  V result;
  for (int i = 0; i < lanes<Scalar<V>>; ++i) result[i] = x[lane[i]];
  return result;
#else
  return __builtin_shuffle(x, lane);
#endif
}

// One step of k, a contiguous column of a, and at most `outer_columns` columns: a vector of out
// belongs to several rows, and L rows to J vectors, whose factors from b and rows of a repeat. M is
// a multiple of L. Below `outer_rows` rows, preparing the factors takes longer. Measured.
constexpr Size outer_columns = 8, outer_rows = 256;
template <class T>
__attribute__((noinline)) void outer_product(T* out, const T* a, const T* b, Size M, Size J) {
  constexpr Size L = lanes<T>, most = (outer_columns + 1) * L;
  T padded[outer_columns + L] = {}, factor[most];  // factor, row: of each of L J entries
  Int<T> row[most];
  HANDNN_ROLL
  for (Size j = 0; j < J; ++j) padded[j] = b[j];
  for (Size r = 0; r < L; ++r) {
    const Int<Vector<T>> all_r = Int<T>(r) - Int<Vector<T>>{};
    HANDNN_ROLL
    for (Size j = 0; j < J; j += L) {  // lanes beyond the columns are overwritten by the next row
      store(factor + r * J + j, load(padded + j));
      __builtin_memcpy(row + r * J + j, &all_r, sizeof all_r);
    }
  }
  for (Size m = 0; m < M; m += L) {
    const Vector<T> a_m = load(a + m);
    HANDNN_ROLL
    for (Size k = 0; k < L * J; k += L) {
      Int<Vector<T>> row_k;
      __builtin_memcpy(&row_k, row + k, sizeof row_k);
      store(out + m * J + k, fma(permuted(a_m, row_k), load(factor + k), Vector<T>{}));
    }
  }
}

// The largest such products.
constexpr Size most_few_steps = 4;
template <class T>
constexpr Size most_short_columns = 2 * lanes<T>;

template <class T>
void product_of_few_steps(T* out, const Strided<T>& a, const Strided<T>& b, const T* start, Size M,
                          Size K, Size J) {
  constexpr Size L = lanes<T>;
  const bool is_outer = K == 1 && a.row == 1 && b.step == 1 && !start;
  if (is_outer && J <= outer_columns && J % L != 0 && M >= outer_rows) {
    const Size whole = M / L * L;
    outer_product(out, a.data, b.data, whole, J);
    if (whole == M) return;
    return product_of_few_steps(out + whole * J, a.from(whole, 0), b, start, M - whole, K, J);
  }
  T copy[most_few_steps * most_short_columns<T>];
  RowMajor<const T> rows = {b.data, b.row};
  if (b.step != 1) {
    for (Size k = 0; k < K; ++k) {
      HANDNN_ROLL
      for (Size j = 0; j < J; ++j) copy[k * J + j] = b.at(k, j);
    }
    rows = {copy, J};
  }
  using Product = decltype(&product_of_few_steps<1, 1, T>);
  static constexpr Product products[most_few_steps][2] = {
      {product_of_few_steps<1, 1, T>, product_of_few_steps<1, 2, T>},
      {product_of_few_steps<2, 1, T>, product_of_few_steps<2, 2, T>},
      {product_of_few_steps<3, 1, T>, product_of_few_steps<3, 2, T>},
      {product_of_few_steps<4, 1, T>, product_of_few_steps<4, 2, T>},
  };
  products[K - 1][J > lanes<T>](out, a, rows, start, M, J);
}

// Up to this height, products of two or three steps are computed row by row: for few multiply-adds,
// a tile costs too much. Measured with vectors of 256 bits only.
constexpr Size most_rows_of_few_steps = vector_bytes == 32 ? 16 : 0;

// The same for rows of several vectors, one after another: the stores take most of the time, and
// those of a tile, to rows that are a power of 2 apart, would compete for few sets of the cache.
template <int K, class T>
void rows_of_few_steps(const Output<T>& out, const Strided<T>& a, const Strided<T>& b,
                       Start<T> start, Size M, Size J) {
  for (Size m = 0; m < M; ++m) {
    const Output<T> of = out.from(m, 0);
    Vector<T> factors[K];
    HANDNN_UNROLL
    for (int k = 0; k < K; ++k) factors[k] = splat(a.at(m, k));
    for_each_vector<T>(0, J, [&](auto at) {
      Vector<T> sum{};
      if (start.data) sum = at.load(start.data + m * start.row);
      HANDNN_UNROLL
      for (int k = 0; k < K; ++k) sum = fma(factors[k], at.load(b.data + k * b.row), sum);
      at.store(of.data, of.finished(sum, at.i / lanes<T>));
    });
  }
}

}  // namespace
}  // namespace handnn
