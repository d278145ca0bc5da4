// The tile: a small rectangle of a product's output whose sums stay in registers.
//
// It is R rows high and C vectors wide, and walks k once:
//
//        b: K rows, C vectors wide          for every k:  read C vectors of b,
//   a: R x K   .---.                                      broadcast R elements of a,
//      .----.  |   |                                      R C fused multiply-adds
//      |    |  '---'
//      '----'  tile: R x C vectors
//
// a is read with two strides, one of them 1, so that x and x^T cost the same.
#pragma once

#include "each_vector.hpp"

namespace handnn {
namespace {

// The number of rows of a tile of C vectors: its sums, C vectors of b and a broadcast fill the
// registers. Eight independent chains keep two FMA units busy, so low tiles are wide.
template <int C>
constexpr int tile_rows =
#if defined(__AVX512F__) || defined(__aarch64__)
    C <= 2   ? 14
    : C == 3 ? 9
    : C == 4 ? 6
             : 2;
#elif defined(__AVX2__)
    C == 1   ? 12
    : C == 2 ? 6
    : C == 3 ? 4
    : C == 4 ? 2
             : 1;
#else
    C <= 2   ? 4
    : C == 3 ? 2
             : 1;  // without FMA, a product needs a register of its own
#endif

// a(m, k) = data[m * row + k * step]; likewise b(k, j) = data[k * row + j * step].
template <class T>
struct Strided {
  const T* data;
  Size row, step;

  Strided from(Size m, Size k) const { return {data + m * row + k * step, row, step}; }
  Strided transposed() const { return {data, step, row}; }
  T at(Size m, Size k) const { return data[m * row + k * step]; }
};

// A matrix with contiguous rows: m(i, j) = data[i * row + j].
template <class T>
struct RowMajor {
  T* data;
  Size row;

  RowMajor from(Size i, Size j) const { return {data + i * row + j, row}; }
  void next_row() { data += row; }
  // What a tile stores for the sums of vector c of its row.
  template <class V>
  V ended(V sum, int) const {
    return sum;
  }
  // What a tile does with the vectors that it has read of its row of b.
  template <class V>
  void use(const V*) const {}
};

// The values that chains start from, laid out likewise; null data means 0. Passed by reference,
// as its copy on the stack would be a wide load that waits for two narrow stores.
template <class T>
struct Start {
  const T* data;
  Size row;

  Start from(Size m, Size j) const { return {data ? data + m * row + j : nullptr, row}; }
  T at(Size m, Size j) const { return data ? data[m * row + j] : T(0); }
};

// A column of `count` tiles, one below the other; of the last vector of each row, only the lanes of
// `last` are stored. Chains start from `start`, or from 0 if that is null, and have K >= 1 steps.
// The elements of a for the next tile begin a_next elements later.
template <int R, int C, bool a_in_columns, class Out, class B, class T, class Last>
__attribute__((noinline)) void tile_column(Out out, const Strided<T>& a, Size a_next, B b,
                                           const Start<T>& start, Size K, Last last, Size count) {
  if (K < 1 || count < 1) __builtin_unreachable();
  const Size a_row = a_in_columns ? 1 : a.row, a_step = a_in_columns ? a.step : 1;
  const T* start_r = start.data;
  const Size start_row = start.row;
  const T* a_tile = a.data;
  do {
    Vector<T> sum[R][C];
    if (start_r) {
      HANDNN_UNROLL
      for (int r = 0; r < R; ++r) {
        HANDNN_UNROLL
        for (int c = 0; c < C - 1; ++c) sum[r][c] = load(start_r + c * lanes<T>);
        sum[r][C - 1] = last.load(start_r + (C - 1) * lanes<T>);
        start_r += start_row;
      }
    } else {
      HANDNN_UNROLL
      for (int r = 0; r < R; ++r) {
        HANDNN_UNROLL
        for (int c = 0; c < C; ++c) sum[r][c] = Vector<T>{};
      }
    }
    const T* a_k = a_tile;
    B b_k = b;
    for (Size k = K; k > 0; --k) {
      Vector<T> b_part[C];
      HANDNN_UNROLL
      for (int c = 0; c < C - 1; ++c) b_part[c] = load(b_k.data + c * lanes<T>);
      b_part[C - 1] = last.load(b_k.data + (C - 1) * lanes<T>);
      b_k.use(b_part);
      HANDNN_UNROLL
      for (int r = 0; r < R; ++r) {
        const Vector<T> a_element = splat(a_k[r * a_row]);
        HANDNN_UNROLL
        for (int c = 0; c < C; ++c) sum[r][c] = fma(a_element, b_part[c], sum[r][c]);
      }
      a_k += a_step;
      b_k.next_row();
    }
    HANDNN_UNROLL
    for (int r = 0; r < R; ++r) {
      HANDNN_UNROLL
      for (int c = 0; c < C - 1; ++c) {
        store(out.data + c * lanes<T>, out.ended(sum[r][c], c));
      }
      last.store(out.data + (C - 1) * lanes<T>, out.ended(sum[r][C - 1], C - 1));
      out.next_row();
    }
    a_tile += a_next;
  } while (--count > 0);
}

// M >= 1 rows cut into tiles of up to R rows and nearly equal height: 32 rows are 11 + 11 + 10, not
// 14 + 14 + 4. First `high` tiles of `rows` rows, then `low` tiles of one row less.
struct Heights {
  Size rows, high, low;
};
template <int R>
inline Heights heights(Size M) {
  if (M <= R) return {M, 1, 0};
  const Size count = (M + R - 1) / R, rows = (M + count - 1) / count;
  const Size low = count * rows - M;
  return {rows, count - low, low};
}

// The left factor of a product. If it is packed, its tiles are `panel` elements apart; otherwise
// panel is 0, and they are rows of the matrix.
template <class T>
struct Left {
  Strided<T> a;
  Size panel;
};

// `count` tiles of `rows` rows each, 1 to R.
template <int R, int C, class T, class Last>
inline void tiles_of(Size rows, RowMajor<T> out, const Left<T>& left, RowMajor<const T> b,
                     const Start<T>& start, Size K, Last last, Size count) {
  if constexpr (R > 1) {
    if (rows < R) {
      return tiles_of<R - 1, C>(rows, out, left, b, start, K, last, count);
    }
  }
  const Size a_next = left.panel ? left.panel : R * left.a.row;
  if (left.a.row == 1) {
    tile_column<R, C, true>(out, left.a, a_next, b, start, K, last, count);
  } else {
    tile_column<R, C, false>(out, left.a, a_next, b, start, K, last, count);
  }
}

// out (M, width) = start + a (M, K) . b (K, width) in tiles of up to R rows, where `width` columns
// take C vectors; M, K >= 1.
template <int C, int R, class T>
void tiles_of_rows(RowMajor<T> out, const Left<T>& left, RowMajor<const T> b, const Start<T>& start,
                   Size M, Size K, Size width) {
  constexpr Size L = lanes<T>;
  const Heights h = heights<R>(M);
  const Size m = h.high * h.rows, below = left.panel ? h.high * left.panel : m;
  const auto both = [&](auto last) {
    tiles_of<R, C>(h.rows, out, left, b, start, K, last, h.high);
    if (h.low == 0) return;
    const Left<T> lower = {left.a.from(below, 0), left.panel};
    tiles_of<R, C>(h.rows - 1, out.from(m, 0), lower, b, start.from(m, 0), K, last, h.low);
  };
  if (width == C * L) {
    both(WholeVector<T>{0});
  } else {
    both(PartialVector<T>{0, First<T>(width - (C - 1) * L)});
  }
}

// The same for at most C vectors of columns, in the tallest tiles for that width.
template <int C, class T>
void tiles(RowMajor<T> out, const Left<T>& left, RowMajor<const T> b, const Start<T>& start, Size M,
           Size K, Size width) {
  if constexpr (C > 1) {
    if (width <= (C - 1) * lanes<T>) {
      return tiles<C - 1>(out, left, b, start, M, K, width);
    }
  }
  tiles_of_rows<C, tile_rows<C>>(out, left, b, start, M, K, width);
}

// The same for a left factor that is packed in tiles of R rows.
template <int C, int R, class T>
void packed_tiles(RowMajor<T> out, const Left<T>& left, RowMajor<const T> b, const Start<T>& start,
                  Size M, Size K, Size width) {
  if constexpr (C > 1) {
    if (width <= (C - 1) * lanes<T>) {
      return packed_tiles<C - 1, R>(out, left, b, start, M, K, width);
    }
  }
  tiles_of_rows<C, R>(out, left, b, start, M, K, width);
}

}  // namespace
}  // namespace handnn
