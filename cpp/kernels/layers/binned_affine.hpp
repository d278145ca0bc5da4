// BinnedAffine: the Affine of columns with bins, from positions instead of the inputs of the bins
//
// A column of B bins has B rows of w. Its input is a position v from 0 to B: the index of a bin
// plus the share of the bin that lies below the value. Input k of the bins is
// clip(v - k, 0, 1) - 1/2: it is 1/2 below bin j = floor(v) and -1/2 above it, so
//
//   out = b + sum over plain columns of x w + sum over the others of start[j] + (v - j) w[j]
//   start[j] = sum over k < j of w[k] - 1/2 (sum over all k of w[k])
//
// where start depends on w alone. A position beyond 0 or B is one of them, and NaN makes NaN.
#pragma once

#include "../arguments.hpp"
#include "../matmul.hpp"
#include "../rows_columns.hpp"

namespace handnn {
namespace {

// A position in a column of B bins: the bin, and the share of it.
template <class T>
struct Position {
  Size bin;
  T share;
};
template <class T>
inline Position<T> position_of(T v, Size B) {
  const T inside = v > 0 ? (v < T(B) ? v : T(B)) : T(0);  // 0 for NaN
  const Size bin = Size(inside) < B ? Size(inside) : B - 1;
  return {bin, v == v ? inside - T(bin) : v};
}

// Calls f(i, row, B) for the columns first ... last - 1: the first row of w of column i, and its
// number of bins, 0 for a plain column.
template <class F>
inline void for_each_binned(Bins bins, Range columns, F f) {
  for (Size i = 0, row = 0; i < columns.last; ++i) {
    if (i >= columns.first) f(i, row, bins.counts[i]);
    row += bins.rows(i);
  }
}

// w (R, O) -> start (R, O): of the rows of bins. Sums add the rows in ascending order.
template <class T>
void binned_affine_start(T* start, const T* w, Bins bins, Size O) {
  for_each_binned(bins, {0, bins.I}, [&](Size, Size row, Size B) {
    if (B == 0) return;
    const T* const of_w = w + row * O;
    T* const of_start = start + row * O;
    for_each_vectors<4, T>(O, [&](auto width, auto at) {
      constexpr int V = width;
      Vector<T> sum[V] = {};
      for (Size k = 0; k < B; ++k) {
        HANDNN_UNROLL
        for (int v = 0; v < V; ++v) sum[v] += at(v).load(of_w + k * O);
      }
      HANDNN_UNROLL
      for (int v = 0; v < V; ++v) sum[v] = T(-0.5) * sum[v];
      for (Size k = 0; k < B; ++k) {
        HANDNN_UNROLL
        for (int v = 0; v < V; ++v) {
          at(v).store(of_start + k * O, sum[v]);
          sum[v] += at(v).load(of_w + k * O);
        }
      }
    });
  });
}

// Some columns of a row of x: the rows of w that they select, and what these are multiplied by. All
// columns are found at once, a vector at a time.
template <class T>
struct BinnedTerms {
  static constexpr Size most = 64;  // columns
  Size count = 0;
  T counts[most] = {};  // of bins; 0 for a plain column, and beyond the last one
  T factors[most];
  Int<T> first_rows[most] = {}, rows[most];

  void add_column(Size row, Size B) {
    first_rows[count] = Int<T>(row);
    counts[count++] = T(B);
  }

  // As position_of. Lanes beyond the last column are not used.
  void find(const T* x) {
    using V = Vector<T>;
    HANDNN_ROLL
    for (Size i = 0; i < count; i += lanes<T>) {
      const V v = load(x + i, First<T>(count - i < lanes<T> ? count - i : lanes<T>));
      const V B = load(counts + i), none{}, last = B - T(1);
      const V inside = v > none ? (v < B ? v : B) : none;
      Int<V> bin = __builtin_convertvector(inside < last ? inside : last, Int<V>);
      bin = B > none ? bin : Int<V>{};
      const V share = inside - __builtin_convertvector(bin, V);
      store(factors + i, ((B > none) & (v == v)) ? share : v);
      Int<V> row;
      __builtin_memcpy(&row, first_rows + i, sizeof row);
      row += bin;
      __builtin_memcpy(rows + i, &row, sizeof row);
    }
  }

  // out (O) = from (O) + start (R, O) and factors * w (R, O) of the rows, added in order. out may
  // be from.
  void sum(T* out, const T* from, const T* start, const T* w, Size O) const {
    for_each_vectors<4, T>(O, [&](auto width, auto at) {
      constexpr int V = width;
      Vector<T> sum[V];
      HANDNN_UNROLL
      for (int v = 0; v < V; ++v) sum[v] = at(v).load(from);
      for (Size k = 0; k < count; ++k) {
        const Size row = Size(rows[k]) * O;
        if (counts[k] > 0) {
          HANDNN_UNROLL
          for (int v = 0; v < V; ++v) sum[v] += at(v).load(start + row);
        }
        const Vector<T> factor = splat(factors[k]);
        HANDNN_UNROLL
        for (int v = 0; v < V; ++v) sum[v] = fma(factor, at(v).load(w + row), sum[v]);
      }
      HANDNN_UNROLL
      for (int v = 0; v < V; ++v) at(v).store(out, sum[v]);
    });
  }

  // The same for one output.
  T sum_one(T sum, const T* start, const T* w) const {
    for (Size k = 0; k < count; ++k) {
      if (counts[k] > 0) sum += start[rows[k]];
      sum = fma(factors[k], w[rows[k]], sum);
    }
    return sum;
  }
};

// The number of plain columns from `first` on.
inline Size plain_columns(Bins bins, Size first) {
  Size end = first;
  while (end < bins.I && bins.counts[end] == 0) ++end;
  return end - first;
}

// From this number of plain columns on, a product is faster than terms.
constexpr Size least_product_columns = 4;

// x (N, I), w (R, O), b (O) -> out (N, O), overwritten. scratch (matmul_scratch, and R O more). The
// terms of the columns are added in ascending order.
template <class T>
void binned_affine_forward(T* out, const T* x, const T* w, const T* b, Bins bins, T* scratch,
                           Size N, Size O) {
  T* const start = scratch + matmul_scratch<T>;
  binned_affine_start(start, w, bins, O);
  Size row = 0, first = 0;
  do {
    const RowMajor<const T> from = {first == 0 ? b : out, first == 0 ? 0 : O};
    const Size plain = plain_columns(bins, first);
    if (plain >= least_product_columns) {
      product<T>({out, O}, Strided<T>{x + first, bins.I, 1}, Strided<T>{w + row * O, O, 1},
                 Start<T>{from.data, from.row}, scratch, N, plain, O);
      first += plain;
      row += plain;
      continue;
    }
    BinnedTerms<T> terms;
    const T* const of_terms = x + first;
    while (first < bins.I && terms.count < terms.most &&
           plain_columns(bins, first) < least_product_columns) {
      terms.add_column(row, bins.counts[first]);
      row += bins.rows(first++);
    }
    for (Size n = 0; n < N; ++n) {
      terms.find(of_terms + n * bins.I);
      T* const to = out + n * O;
      if (O == 1) {
        *to = terms.sum_one(from.data[n * from.row], start, w);
      } else {
        terms.sum(to, from.data + n * from.row, start, w, O);
      }
    }
  } while (first < bins.I);
}
template <class T>
void binned_affine_forward_naive(T* out, const T* x, const T* w, const T* b, Bins bins, Size N,
                                 Size O) {
  for (Size n = 0; n < N; ++n) {
    for (Size o = 0; o < O; ++o) {
      T sum = b[o];
      for_each_binned(bins, {0, bins.I}, [&](Size i, Size row, Size B) {
        const T v = x[n * bins.I + i];
        const auto weight = [&](Size k) { return w[(row + k) * O + o]; };
        if (B == 0) {
          sum = fma(v, weight(0), sum);
          return;
        }
        T all = 0;
        for (Size k = 0; k < B; ++k) all += weight(k);
        const auto [bin, share] = position_of(v, B);
        T start = T(-0.5) * all;
        for (Size k = 0; k < bin; ++k) start += weight(k);
        sum = fma(share, weight(bin), sum + start);
      });
      out[n * O + o] = sum;
    }
  }
}

// Up to 64 rows of x in a column of B bins: for each of some bins, the rows in it, as bits.
template <class T>
struct RowsInBins {
  static constexpr Size most = 64;  // rows, and bins
  T shares[most];
  std::uint64_t rows[most];

  // The bins first ... first + most - 1 of rows x[0], x[step], ... Returns 0, or NaN if a position
  // is NaN.
  T find(const T* x, Size step, Size count, Size B, Size first) {
    __builtin_memset(rows, 0, sizeof rows);
    T missing = 0;
    for (Size n = 0; n < count; ++n) {
      const auto [bin, share] = position_of(x[n * step], B);
      missing += share * 0;
      shares[n] = share;
      if (bin >= first && bin < first + most) rows[bin - first] |= std::uint64_t(1) << n;
    }
    return missing;
  }
};

// dout (N, O), at most 64 rows, above (O) -> dw (B, O) of some bins, from the highest to the
// lowest:
//
//   dw[k] = sum over rows in bin k of share dout + above, above += sum over them of dout
//
// With `adds` it is added to dw. `at` has V vectors of the columns of dout.
template <int V, class T, class At>
inline void rows_in_bins_dw(T* dw, T* above, const T* dout, const RowsInBins<T>& in, Size B, Size O,
                            bool adds, At at) {
  Vector<T> over[V];
  HANDNN_UNROLL
  for (int v = 0; v < V; ++v) over[v] = at(v).load(above);
  for (Size k = B; k-- > 0;) {
    T* const dw_k = dw + k * O;
    Vector<T> sum[V] = {}, count[V] = {};
    for (std::uint64_t rows = in.rows[k]; rows; rows &= rows - 1) {
      const int n = __builtin_ctzll(rows);
      const Vector<T> share = splat(in.shares[n]);
      HANDNN_UNROLL
      for (int v = 0; v < V; ++v) {
        const Vector<T> slope = at(v).load(dout + n * O);
        sum[v] = fma(share, slope, sum[v]);
        count[v] += slope;
      }
    }
    HANDNN_UNROLL
    for (int v = 0; v < V; ++v) {
      sum[v] += over[v];
      over[v] += count[v];
      at(v).store(dw_k, adds ? at(v).load(dw_k) + sum[v] : sum[v]);
    }
  }
  HANDNN_UNROLL
  for (int v = 0; v < V; ++v) at(v).store(above, over[v]);
}

// dout (N, O), x (N, I) -> dw, the rows of some columns, overwritten. scratch (matmul_scratch, and
//   2 O more). db (O): the sums of the columns of dout; null if not known.
//
//   dw = x^T . dout for plain columns (matmul_tn), and for bin k of a column of B bins
//   dw[k] = sum over rows in bin k of share dout - 1/2 (sum over all rows of dout)
//           + counts[B - 1] + ... + counts[k + 1]
//   counts[j] = sum over rows in bin j of dout
//
// Sums over rows are in ascending order. Those of bins are sums of 64 rows, which are added.
template <class T>
void binned_affine_dw(T* dw, const T* dout, const T* x, const T* db, SomeBins of, T* scratch,
                      Size N, Size O) {
  const Bins bins = of.bins;  // no structured binding: Clang 14 does not capture those
  const Range columns = of.columns;
  constexpr Size most = RowsInBins<T>::most;
  T *const sums = scratch + matmul_scratch<T>, *const above = sums + O;
  Size first_row = 0;
  for (Size i = 0; i < columns.first; ++i) first_row += bins.rows(i);
  for_each_binned(bins, columns, [&](Size i, Size row, Size B) {
    if (B > 0 || (i > columns.first && bins.counts[i - 1] == 0)) return;  // with those before it
    Size end = i + 1;
    while (end < columns.last && bins.counts[end] == 0) ++end;
    matmul_tn(dw + (row - first_row) * O, x + i, dout, scratch, N, end - i, O, {bins.I});
  });
  for (Size n = 0; n == 0 || n < N; n += most, x += most * bins.I, dout += most * O) {
    const Size rows = N - n < most ? N - n : most;
    const T* const all = db && N <= most ? db : sums;
    if (all == sums) column_sums(sums, dout, rows, O, false);
    for_each_binned(bins, columns, [&](Size i, Size row, Size B) {
      for (Size end = B; end > 0;) {
        const Size first = (end - 1) / most * most;
        RowsInBins<T> in;
        const T missing = in.find(x + i, bins.I, rows, B, first);
        if (end == B) {
          for_each_vector<T>(O, [&](auto at) {
            at.store(above, fma(splat(T(-0.5)), at.load(all), splat(missing)));
          });
        }
        const auto add = [&](auto width, auto at) {
          rows_in_bins_dw<width>(dw + (row - first_row + first) * O, above, dout, in, end - first,
                                 O, n > 0, at);
        };
        for_each_vectors<4, T>(O, add);
        end = first;
      }
    });
  }
}
template <class T>
void binned_affine_dw_naive(T* dw, const T* dout, const T* x, Bins bins, Size N, Size O,
                            Range columns) {
  for_each_binned(bins, columns, [&](Size i, Size row, Size B) {
    const auto value = [&](Size n) { return x[n * bins.I + i]; };
    const auto place = [&](Size n) { return position_of(value(n), B); };
    for (Size o = 0; o < O; ++o) {
      const auto slope = [&](Size n) { return dout[n * O + o]; };
      const auto dw_of = [&](Size k) -> T& { return dw[(row + k) * O + o]; };
      if (B == 0) {
        dw_of(0) = 0;
        for (Size n = 0; n < N; ++n) dw_of(0) = fma(value(n), slope(n), dw_of(0));
        continue;
      }
      for (Size first = 0; first == 0 || first < N; first += RowsInBins<T>::most) {
        const Size last = N - first < RowsInBins<T>::most ? N : first + RowsInBins<T>::most;
        T all = 0, missing = 0;
        for (Size n = first; n < last; ++n) {
          all += slope(n);
          missing += place(n).share * 0;
        }
        T above = fma(T(-0.5), all, missing);
        for (Size k = B; k-- > 0;) {
          T shares = 0, count = 0;
          for (Size n = first; n < last; ++n) {
            if (place(n).bin != k) continue;
            shares = fma(place(n).share, slope(n), shares);
            count += slope(n);
          }
          dw_of(k) = first > 0 ? dw_of(k) + (shares + above) : shares + above;
          above += count;
        }
      }
    }
  });
}

}  // namespace
}  // namespace handnn
