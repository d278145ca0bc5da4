// The three products of training, and the sum that gives a bias its gradient.
//
//   matmul          out (N, O) = x (N, I) . w (I, O) + b (O)        forward; b may be null
//   matmul_tn       dw  (I, O) = x (N, I)^T . dout (N, O)           gradient of the weights
//   matmul_nt       dx  (N, I) = dout (N, O) . w (I, O)^T           gradient of the input
//   column_sums     db  (O)    = sum over n of dout (N, O)          gradient of the bias
//
// All are row-major, overwrite their output, and add in one fixed order: an element of a product is
// one chain of fused multiply-adds in ascending k, started from its bias or from 0; a column sum
// adds rows in ascending n. No tile shape, block or vector width can change that chain, and so none
// can change a bit of the result.
//
// One tile serves all three. It keeps R rows of C vectors in registers and walks k once:
//
//        b: K rows, C vectors wide          for every k:  read C vectors of b,
//   a: R x K   .---.                                      broadcast R elements of a,
//      .----.  |   |                                      R C fused multiply-adds
//      |    |  '---'
//      '----'  tile: R x C vectors
//
// a is read with two strides, so x and x^T cost the same. b must be read along its rows; where it
// is w^T, a panel of it is packed first. Matrices whose rows lie a power of two apart crowd into a
// few sets of the cache; their blocks are packed, too. Outputs with few columns are computed as
// their transpose, so that the vectors are filled with rows.
#pragma once

#include "simd.hpp"

namespace handnn {
namespace {

// How many rows a tile of C vectors may have: its sums, C vectors of b and a broadcast fill the
// registers. Few rows want many vectors, because it takes eight chains to keep two units busy.
template <int C>
constexpr int tile_rows =
#if defined(__AVX512F__) || defined(__aarch64__)
    C <= 2   ? 14
    : C <= 4 ? 6
             : 2;
#elif defined(__AVX2__)
    C <= 2   ? 6
    : C <= 4 ? 2
             : 1;
#else
    C <= 2 ? 4 : 1;  // without FMA, a product needs a register of its own
#endif

// What is packed at a time: a panel of b, `depth` deep and two vectors wide (or less deep and
// wider), and a block of a. The block's rows are a cache line longer than they need to be.
constexpr Size depth = 256;
constexpr Size block_rows = 256;
constexpr Size block_row = depth + 16;
template <class T>
constexpr Size panel_size = depth * 2 * lanes<T>;

// How many elements of scratch memory a product needs; its contents mean nothing afterwards.
template <class T>
constexpr Size matmul_scratch = block_rows * block_row + panel_size<T>;

// a(m, k) = data[m * row + k * step]; likewise b(k, j) = data[k * row + j * step].
template <class T>
struct Strided {
  const T* data;
  Size row, step;

  Strided from(Size m, Size k) const { return {data + m * row + k * step, row, step}; }
  Strided transposed() const { return {data, step, row}; }
};

// out (M, J) = a (M, K) . b (K, J) + bias (J): the definition.
template <class T>
void product_naive(T* out, Strided<T> a, Strided<T> b, const T* bias, Size M, Size K, Size J) {
  for (Size m = 0; m < M; ++m) {
    for (Size j = 0; j < J; ++j) {
      T sum = bias ? bias[j] : T(0);
      for (Size k = 0; k < K; ++k) {
        sum = fma(a.data[m * a.row + k * a.step], b.data[k * b.row + j * b.step], sum);
      }
      out[m * J + j] = sum;
    }
  }
}

// What a tile's sums start from: row m, column j is data[m * row + j]; null data is 0.
template <class T>
struct Start {
  const T* data;
  Size row;

  Start from(Size m) const { return {data ? data + m * row : nullptr, row}; }
};

// R rows, C vectors; the last vector holds only the lanes of `last`. Chains start from `start` and
// go on over K steps.
template <int R, int C, class T, class Last>
__attribute__((noinline)) void tile(T* out, Size out_row, Strided<T> a, const T* b, Size b_row,
                                    Start<T> start, Size K, Last last) {
  auto load_part = [&](const T* p, int c) {
    return c == C - 1 ? last.load(p + c * lanes<T>) : load(p + c * lanes<T>);
  };
  Vector<T> sum[R][C];
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < C; ++c) {
      sum[r][c] = start.data ? load_part(start.data + r * start.row, c) : Vector<T>{};
    }
  }
  for (Size k = 0; k < K; ++k) {
    Vector<T> b_part[C];
    for (int c = 0; c < C; ++c) b_part[c] = load_part(b + k * b_row, c);
    for (int r = 0; r < R; ++r) {
      const Vector<T> a_element = splat(a.data[r * a.row + k * a.step]);
      for (int c = 0; c < C; ++c) sum[r][c] = fma(a_element, b_part[c], sum[r][c]);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < C; ++c) {
      T* p = out + r * out_row + c * lanes<T>;
      if (c == C - 1) {
        last.store(p, sum[r][c]);
      } else {
        store(p, sum[r][c]);
      }
    }
  }
}

// The tile of `rows` rows, 1 to R.
template <int R, int C, class T, class Last>
inline void tile_of(Size rows, T* out, Size out_row, Strided<T> a, const T* b, Size b_row,
                    Start<T> start, Size K, Last last) {
  if constexpr (R > 1) {
    if (rows < R) return tile_of<R - 1, C>(rows, out, out_row, a, b, b_row, start, K, last);
  }
  tile<R, C>(out, out_row, a, b, b_row, start, K, last);
}

// M rows and `width` columns, at most C vectors, in tiles of up to R rows and nearly the same
// height: 32 rows are 11 + 11 + 10, not 14 + 14 + 4.
template <int C, int R, class T>
void tiles(T* out, Size out_row, Strided<T> a, const T* b, Size b_row, Start<T> start, Size M,
           Size K, Size width) {
  constexpr Size L = lanes<T>;
  if constexpr (C > 1) {
    if (width <= (C - 1) * L) {
      return tiles<C - 1, R>(out, out_row, a, b, b_row, start, M, K, width);
    }
  }
  const Size count = (M + R - 1) / R;
  for (Size m = 0, i = 0; i < count; ++i) {
    const Size rows = (M - m + count - i - 1) / (count - i);
    if (width == C * L) {
      tile_of<R, C>(rows, out + m * out_row, out_row, a.from(m, 0), b, b_row, start.from(m), K,
                    WholeVector<T>{0});
    } else {
      tile_of<R, C>(rows, out + m * out_row, out_row, a.from(m, 0), b, b_row, start.from(m), K,
                    PartialVector<T>{0, First<T>(width - (C - 1) * L)});
    }
    m += rows;
  }
}

// to[m][k] = from(m, k) for M rows of K elements; the rows of `to` lie to_row apart.
template <class T>
void pack(T* to, Size to_row, Strided<T> from, Size M, Size K) {
  constexpr Size L = lanes<T>;
  Size m = 0;
  if (from.row == 1 && from.step != 1) {  // a transposed matrix: its columns are contiguous
    for (; m + L <= M; m += L) {
      Size k = 0;
      for (; k + L <= K; k += L) {
        transpose(to + m * to_row + k, to_row, from.from(m, k).data, from.step);
      }
      for (; k < K; ++k) {
        for (Size i = m; i < m + L; ++i) to[i * to_row + k] = *from.from(i, k).data;
      }
    }
  }
  for (; m < M; ++m) {
    if (from.step == 1) {
      const T* row = from.from(m, 0).data;
      for_each_vector<T>(K, [&](auto at) { at.store(to + m * to_row, at.load(row)); });
    } else {
      for (Size k = 0; k < K; ++k) to[m * to_row + k] = *from.from(m, k).data;
    }
  }
}

// Bytes between the rows of a matrix, or between its columns where those are contiguous.
template <class T>
inline Size bytes_apart(Strided<T> matrix) {
  return (matrix.step == 1 ? matrix.row : matrix.step) * Size(sizeof(T));
}

// The product in panels of C vectors of columns.
template <int C, class T>
void product_in_panels(T* out, Size out_row, Strided<T> a, Strided<T> b, Start<T> start, T* scratch,
                       Size M, Size K, Size J) {
  constexpr Size panel_columns = C * lanes<T>, panel_depth = panel_size<T> / panel_columns;
  const bool is_large = M > 2 * tile_rows<2> && K >= 64;
  // Rows a multiple of 1 KiB apart share few sets of the cache; rows far apart take a page each.
  const bool packs_a =
      is_large && J > panel_columns && bytes_apart(a) >= 2048 && bytes_apart(a) % 1024 == 0;
  const bool packs_b = b.step != 1 || (is_large && bytes_apart(b) >= 2048);
  T* const block = scratch;
  T* const panel = scratch + block_rows * block_row;

  Size k = 0;
  do {  // at least once: with K = 0 the output is what it starts from
    const Size K_part = K - k < panel_depth ? K - k : panel_depth;
    const Size most_rows = packs_a ? block_rows : M;
    for (Size m = 0; m < M; m += most_rows) {
      const Size M_part = M - m < most_rows ? M - m : most_rows;
      Strided<T> a_part = a.from(m, k);
      if (packs_a) {
        pack(block, block_row, a_part, M_part, K_part);
        a_part = {block, block_row, 1};
      }
      for (Size j = 0; j < J; j += panel_columns) {
        const Size width = J - j < panel_columns ? J - j : panel_columns;
        const T* b_part = b.from(k, j).data;
        if (packs_b) pack(panel, panel_columns, b.from(k, j), K_part, width);
        Start<T> part_start = start.from(m);
        if (part_start.data) part_start.data += j;
        if (k > 0) part_start = {out + m * out_row + j, out_row};
        tiles<C, tile_rows<C>>(out + m * out_row + j, out_row, a_part, packs_b ? panel : b_part,
                               packs_b ? panel_columns : b.row, part_start, M_part, K_part, width);
      }
    }
    k += K_part;
  } while (k < K);
}

template <class T>
void product_in_rows(T* out, Size out_row, Strided<T> a, Strided<T> b, Start<T> start, T* scratch,
                     Size M, Size K, Size J) {
  constexpr Size L = lanes<T>;
  if (M <= tile_rows<8> && J > 4 * L) {
    product_in_panels<8>(out, out_row, a, b, start, scratch, M, K, J);
  } else if (M <= tile_rows<4> && J > 2 * L) {
    product_in_panels<4>(out, out_row, a, b, start, scratch, M, K, J);
  } else {
    product_in_panels<2>(out, out_row, a, b, start, scratch, M, K, J);
  }
}

// The same product as its transpose, out^T (J, M) = b^T (J, K) . a^T (K, M), for J <= tile_rows<2>.
template <class T>
void product_transposed(T* out, Size out_row, Strided<T> a, Strided<T> b, const T* bias, T* scratch,
                        Size M, Size K, Size J) {
  constexpr Size most_columns = 8 * lanes<T>;
  if (J > tile_rows<2>) __builtin_unreachable();
  T part[tile_rows<2> * most_columns];
  for (Size m = 0; m < M; m += most_columns) {
    const Size width = M - m < most_columns ? M - m : most_columns;
    for (Size j = 0; j < J; ++j) {
      for (Size i = 0; i < width; ++i) part[j * most_columns + i] = bias ? bias[j] : T(0);
    }
    product_in_rows(part, most_columns, b.transposed(), a.from(m, 0).transposed(),
                    Start<T>{part, most_columns}, scratch, J, K, width);
    for (Size i = 0; i < width; ++i) {
      for (Size j = 0; j < J; ++j) out[(m + i) * out_row + j] = part[j * most_columns + i];
    }
  }
}

template <class T>
void product(T* out, Strided<T> a, Strided<T> b, const T* bias, T* scratch, Size M, Size K,
             Size J) {
  if (M == 0) return;
  constexpr Size L = lanes<T>;
  // The columns that fill no vector: as a partly filled vector they cost M multiply-adds a step of
  // k; as a transpose one for each column and vector of rows, and a's packing, if it needs any.
  const Size rest = J % L, full = J - rest;
  const Size transposed = rest * ((M + L - 1) / L) + (a.row == 1 ? 0 : M * 3 / 8);
  const bool transposes = rest > 0 && rest <= tile_rows<2> && transposed < M;
  const Size J_rows = transposes ? full : J;
  if (J_rows > 0) product_in_rows(out, J, a, b, Start<T>{bias, 0}, scratch, M, K, J_rows);
  if (transposes) {
    product_transposed(out + full, J, a, b.from(0, full), bias ? bias + full : nullptr, scratch, M,
                       K, rest);
  }
}

template <class T>
void matmul(T* out, const T* x, const T* w, const T* b, T* scratch, Size N, Size I, Size O) {
  product(out, Strided<T>{x, I, 1}, Strided<T>{w, O, 1}, b, scratch, N, I, O);
}
template <class T>
void matmul_naive(T* out, const T* x, const T* w, const T* b, Size N, Size I, Size O) {
  product_naive(out, Strided<T>{x, I, 1}, Strided<T>{w, O, 1}, b, N, I, O);
}

// The rows of x lie x_row apart, and are longer than I where dw is a part of a larger matrix.
template <class T>
void matmul_tn(T* dw, const T* x, const T* dout, T* scratch, Size N, Size I, Size O, Size x_row) {
  const T* no_bias = nullptr;
  product(dw, Strided<T>{x, 1, x_row}, Strided<T>{dout, O, 1}, no_bias, scratch, I, N, O);
}
template <class T>
void matmul_tn_naive(T* dw, const T* x, const T* dout, Size N, Size I, Size O) {
  const T* no_bias = nullptr;
  product_naive(dw, Strided<T>{x, 1, I}, Strided<T>{dout, O, 1}, no_bias, I, N, O);
}

template <class T>
void matmul_nt(T* dx, const T* dout, const T* w, T* scratch, Size N, Size I, Size O) {
  const T* no_bias = nullptr;
  product(dx, Strided<T>{dout, O, 1}, Strided<T>{w, 1, O}, no_bias, scratch, N, O, I);
}
template <class T>
void matmul_nt_naive(T* dx, const T* dout, const T* w, Size N, Size I, Size O) {
  const T* no_bias = nullptr;
  product_naive(dx, Strided<T>{dout, O, 1}, Strided<T>{w, 1, O}, no_bias, N, O, I);
}

// Four vectors of columns at a time, so that the additions of one row do not wait for each other.
template <class T>
void column_sums(T* db, const T* dout, Size N, Size O) {
  constexpr Size L = lanes<T>;
  Size o = 0;
  for (; o + 4 * L <= O; o += 4 * L) {
    Vector<T> sum[4] = {};
    for (Size n = 0; n < N; ++n) {
      for (int c = 0; c < 4; ++c) sum[c] += load(dout + n * O + o + c * L);
    }
    for (int c = 0; c < 4; ++c) store(db + o + c * L, sum[c]);
  }
  for_each_vector<T>(O - o, [&](auto at) {
    Vector<T> sum{};
    for (Size n = 0; n < N; ++n) sum += at.load(dout + n * O + o);
    at.store(db + o, sum);
  });
}
template <class T>
void column_sums_naive(T* db, const T* dout, Size N, Size O) {
  for (Size o = 0; o < O; ++o) {
    T sum = 0;
    for (Size n = 0; n < N; ++n) sum += dout[n * O + o];
    db[o] = sum;
  }
}

}  // namespace
}  // namespace handnn
