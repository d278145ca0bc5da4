// Copies of parts of a product's factors, in the order in which the tiles read them.
//
// Copying pays off for parts that are read often and have a long row stride: each row is in another
// page, and rows a power of two apart compete for few cache sets.
#pragma once

#include "each_vector.hpp"
#include "tile.hpp"
#include "transpose.hpp"

namespace handnn {
namespace {

// The number of elements of a packed tile: K columns of R, and the lanes that the last column's
// whole vectors write beyond it.
template <int R, class T>
constexpr Size packed_tile(Size K) {
  return K * R + lanes<T>;
}

// to[k * stride + i] = from[i * row + k] for i < count <= lanes and k < K. Whole vectors are
// written, column after column, and may reach into the next column, which is written later. If K is
// not a multiple of the vector length, the last columns are written twice.
template <class T>
void pack_transposed(T* to, Size stride, const T* from, Size row, Size count, Size K) {
  constexpr Size L = lanes<T>;
  const T* rows[L];
  for (Size i = 0; i < L; ++i) rows[i] = from + (i < count ? i : count - 1) * row;
  if (K < L) {
    T part[L * L], turned[L * L];
    for (Size i = 0; i < L; ++i) {
      store(part + i * L, load(rows[i], First<T>(K)));
      rows[i] = part + i * L;
    }
    transpose(turned, L, rows, 0);
    for (Size k = 0; k < K; ++k) store(to + k * stride, load(turned + k * L));
    return;
  }
  for (Size k = 0; k < K; k += L) {
    if (k > K - L) k = K - L;
    transpose(to + k * stride, stride, rows, k);
  }
}

// to[k * R + r] = from(r, k): the rows of one tile, column after column.
//
// Here and in pack_columns, stores of whole vectors overlap the next column, which is written
// later. So columns must be filled in ascending order, and each from its end.
template <int R, class T>
void pack_tile(T* to, Strided<T> from, Size rows, Size K) {
  constexpr Size L = lanes<T>;
  if (from.step != 1) {
    for (Size k = 0; k < K; ++k) {
      const T* column = from.data + k * from.step;
      for_each_vector<T>(rows, [&](auto at) { store(to + k * R + at.i, at.load(column)); });
    }
    return;
  }
  for (Size r = (rows - 1) / L * L; r >= 0; r -= L) {
    pack_transposed(to + r, R, from.from(r, 0).data, from.row, rows - r < L ? rows - r : L, K);
  }
}

// The same for `count` tiles of a matrix with contiguous columns. Each column is copied for all
// tiles before the next, because the cache holds few columns.
template <int R, class T>
void pack_columns(T* to, Strided<T> from, Size count, Size rows, Size K) {
  constexpr Size L = lanes<T>;
  for (Size k = 0; k < K; ++k) {
    const T* column = from.data + k * from.step;
    for (Size i = 0; i < count; ++i) {
      T* to_column = to + i * packed_tile<R, T>(K) + k * R;
      for (Size r = 0; r < R; r += L) store(to_column + r, load(column + i * rows + r));
    }
  }
}

// a (M, K), tile by tile.
template <int R, class T>
void pack_left(T* to, Strided<T> a, Size M, Size K) {
  constexpr Size L = lanes<T>;
  constexpr Size whole = (R + L - 1) / L * L;          // the rows that whole vectors read
  constexpr Size group = 256 / (R * Size(sizeof(T)));  // tiles that are packed together
  const Heights h = heights<R>(M);
  for (Size m = 0, i = 0; m < M;) {
    const Size rows = i < h.high ? h.rows : h.rows - 1;
    const Size alike = (i < h.high ? h.high : h.high + h.low) - i;
    const Size count = alike < group ? alike : group;
    T* to_tile = to + i * packed_tile<R, T>(K);
    if (a.row == 1 && m + (count - 1) * rows + whole <= M) {
      pack_columns<R>(to_tile, a.from(m, 0), count, rows, K);
      m += count * rows;
      i += count;
    } else {
      pack_tile<R>(to_tile, a.from(m, 0), rows, K);
      m += rows;
      ++i;
    }
  }
}

constexpr Size rows_ahead = 16;  // to prefetch: the CPU does not find rows itself in other pages

// to[k * columns + j] = from(k, j) for `width` columns of each row; the rest is unspecified.
template <class T>
void pack_panel(T* to, Size columns, Strided<T> from, Size K, Size width) {
  constexpr Size L = lanes<T>, line = 64 / Size(sizeof(T));
  if (from.step == 1) {
    for (Size k = 0; k < K; ++k) {
      const T* row = from.from(k, 0).data;
      for (Size c = 0; c < width; c += line) prefetch(row + rows_ahead * from.row + c);
      for_each_vector<T>(width, [&](auto at) { at.store(to + k * columns, at.load(row)); });
    }
    return;
  }
  for (Size j = 0; j < width; j += L) {
    const Size count = width - j < L ? width - j : L;
    pack_transposed(to + j, columns, from.from(0, j).data, from.step, count, K);
  }
}

// A panel of C vectors that a tile copies to `packed` as it reads it. The stores cost nothing
// beside its multiply-adds.
template <int C, class T>
struct CopiedPanel : RowMajor<const T> {
  T* packed;

  CopiedPanel(RowMajor<const T> b, T* packed) : RowMajor<const T>(b), packed(packed) {}
  void use(const Vector<T>* row) {
    HANDNN_UNROLL
    for (int c = 0; c < C; ++c) {
      prefetch(this->data + rows_ahead * this->row + c * lanes<T>);
      store(packed + c * lanes<T>, row[c]);
    }
    packed += C * lanes<T>;
  }
};

// The number of elements of a row of a packed panel: whole vectors.
template <class T>
inline Size packed_row(Size width) {
  return (width + lanes<T> - 1) / lanes<T> * lanes<T>;
}

// b (K, J), in panels of `columns` columns, each K * columns long; the last one may be as wide as
// `widest`.
template <class T>
void pack_right(T* to, Strided<T> b, Size columns, Size widest, Size K, Size J) {
  constexpr Size group = 4;  // neighboring panels whose rows are read together
  for (Size j = 0; j < J;) {
    if (b.step == 1 && J - j > group * columns + widest) {
      for (Size k = 0; k < K; ++k) {
        const T* row = b.from(k, j).data;
        for (Size i = 0; i < group; ++i) {
          for (Size c = 0; c < columns; c += lanes<T>) {
            store(to + (i * K + k) * columns + c, load(row + i * columns + c));
          }
        }
      }
      to += group * K * columns;
      j += group * columns;
    } else {
      const Size width = J - j <= widest ? J - j : columns, row = packed_row<T>(width);
      pack_panel(to, row, b.from(0, j), K, width);
      to += K * row;
      j += width;
    }
  }
}

}  // namespace
}  // namespace handnn
