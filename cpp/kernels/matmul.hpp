// The three products of training, and the sum that is the gradient of a bias.
//
//   matmul          out (N, O) = x (N, I) . w (I, O) + b (O)        forward; b may be null
//   matmul_tn       dw  (I, O) = x (N, I)^T . dout (N, O)           gradient of the weights
//   matmul_nt       dx  (N, I) = dout (N, O) . w (I, O)^T           gradient of the input
//   column_sums     db  (O)    = sum over n of dout (N, O)          gradient of the bias
//
// All matrices are row-major. Outputs are overwritten. Additions have one fixed order: an element
// of a product is one chain of fused multiply-adds in ascending k that starts from its bias or from
// 0, unless it is a dot product (dots.hpp), and a column sum adds rows in ascending n. Tile shapes,
// blocks and vector widths do not change the order, so they do not change the bits of the result.
//
// The same routine computes all three: product, in tiles (tile.hpp) and, where that is faster, from
// packed copies of the factors (pack.hpp) or with vectors that hold the last columns of several
// rows (column.hpp, tail.hpp).
// A ReLU between two products is part of them (output.hpp).
//
// Matrices with two strides are passed by reference: copying one that was just written costs more
// than a small product, because a wide load has to wait for several narrow stores.
#pragma once

#include "column.hpp"
#include "dots.hpp"
#include "few_steps.hpp"
#include "pack.hpp"
#include "rows_columns.hpp"
#include "tail.hpp"

namespace handnn {
namespace {

// out (M, J) = a (M, K) . b (K, J) + bias (J): the definition.
template <class T>
void product_naive(T* out, const Strided<T>& a, const Strided<T>& b, const T* bias, Size M, Size K,
                   Size J) {
  for (Size m = 0; m < M; ++m) {
    for (Size j = 0; j < J; ++j) {
      T sum = bias ? bias[j] : T(0);
      for (Size k = 0; k < K; ++k) sum = fma(a.at(m, k), b.at(k, j), sum);
      out[m * J + j] = sum;
    }
  }
}

// With 32 registers, panels of four vectors are fastest: they read the left factor less often.
constexpr bool has_32_registers = tile_rows<2> == 14;
constexpr int usual_panel = has_32_registers ? 4 : 2;

// The sizes of packed blocks. A panel of the right factor fits into the L1 or L2 cache. With many
// columns, the left factor is packed less often; with many rows, panels are read less often.
constexpr Size most_depth = has_32_registers ? 1024 : 384, most_columns = 1024;
constexpr Size most_rows = has_32_registers ? 336 : 168;
// The rows of an unpacked block of the left factor, and the bytes that few L2 caches hold.
constexpr Size most_unpacked_rows = 96, beyond_L2 = 1 << 22;

// The number of elements of scratch memory that a product needs.
template <class T>
constexpr Size matmul_scratch = most_depth * most_columns + most_rows * (most_depth + lanes<T>);

// Bytes between the rows of a matrix, or between its columns where those are contiguous.
template <class T>
inline Size bytes_apart(Strided<T> matrix) {
  return (matrix.step == 1 ? matrix.row : matrix.step) * Size(sizeof(T));
}

// The size of nearly equal parts of `count`: a multiple of `grain`, at most about `most`.
inline Size part_size(Size count, Size most, Size grain) {
  if (count <= most) return count;
  const Size parts = (count + most - 1) / most;
  return ((count + parts - 1) / parts + grain - 1) / grain * grain;
}

// Whether packing pays off, given how often a factor is read and its strides. The limits were
// measured.
template <int R, int C, class T>
inline bool packs_left(const Strided<T>& a, Size M, Size K, Size J) {
  const Size apart = bytes_apart(a), panel = C * lanes<T>;
  if (C == 4) {
    const Size least_steps = apart == 8192 ? 385 : 513;  // rows 8 KB apart compete most
    return has_32_registers && a.row == 1 && M > R && K >= least_steps && J > 2 * panel;
  }
  if (C > 4) return false;
  if (a.row == 1) return M > R && K >= 96 && J > (apart % 512 == 0 ? 1 : 4) * panel;
  return M > 4 * R && K >= 64 && J > panel && apart >= 4096;
}
template <int R, class T>
inline bool packs_right(const Strided<T>& a, const Strided<T>& b, Size M, Size K) {
  if (b.step != 1) return true;  // a tile reads rows of b
  const Size apart = bytes_apart(b), most = has_32_registers && a.row != 1 ? 1 << 19 : 1 << 15;
  const Size least_tiles = !has_32_registers || a.row != 1 ? 4 : apart % 8192 == 0 ? 12 : 24;
  return M > least_tiles * R && apart >= 128 && K * apart > most;
}

// A remainder of three vectors is one panel of lower tiles, not a panel of two vectors and one of
// one.
template <int C>
constexpr int widest_panel = C == 2 ? 3 : C;

// One panel of a product. If its chains are complete, it `ends`, and the output is finished.
template <int C, class T>
inline void product_in_panel(const Output<T>& out, const Left<T>& left, RowMajor<const T> b,
                             const Start<T>& start, Size M, Size K, Size width, bool ends) {
  Size m = 0;
  if (left.panel) {
    packed_tiles<C, tile_rows<C>>(out.product(), left, b, start, M, K, width);
  } else {
    if constexpr (C == usual_panel) {
      const bool is_whole = width == C * lanes<T> && left.a.step == 1;
      if (ends && out.negative && is_whole) m = relu_tiles<C>(out, left.a, b, start, M, K);
      if (m == M) return;
    }
    const Left<T> rest = {left.a.from(m, 0), 0};
    tiles<widest_panel<C>>(out.product().from(m, 0), rest, b, start.from(m, 0), M - m, K, width);
  }
  if (ends) out.from(m, 0).finish(M - m, width);
}

// The first rows of a panel, in a tile that copies b to `packed`. Returns the number of rows.
template <int C, class T>
Size copying_tile(T* packed, const Output<T>& out, const Strided<T>& a, const Strided<T>& b,
                  Start<T> start, Size K, bool ends) {
  constexpr int R = tile_rows<C>;
  const CopiedPanel<C, T> copied({b.data, b.row}, packed);
  tile_column<R, C, false>(out.product(), a, 0, copied, start, K, WholeVector<T>{0}, 1);
  if (ends) out.finish(R, C * lanes<T>);
  return R;
}

// The product in panels of C vectors of columns; M, K, J >= 1.
template <int C, class T>
__attribute__((noinline)) void product_in_panels(const Output<T>& out, const Strided<T>& a,
                                                 const Strided<T>& b, Start<T> start, T* scratch,
                                                 Size M, Size K, Size J) {
  constexpr int R = tile_rows<C>;
  constexpr Size panel = C * lanes<T>;
  const bool packs_a = packs_left<R, C>(a, M, K, J), packs_b = packs_right<R>(a, b, M, K);
  const bool is_unfinished = out.is_unfinished();
  const Size widest = packs_a ? panel : widest_panel<C> * lanes<T>;
  T *const packed_b = scratch, *const packed_a = scratch + most_depth * most_columns;
  const Size K_most = part_size(K, most_depth, 1);
  // A block of a is used for many panels of b. If a is neither packed nor too large for the cache,
  // each panel of b is packed and used immediately, while it is in the L1 cache. Its first tile
  // packs it, if rows are contiguous.
  const bool is_large = packs_b && M * K_most * Size(sizeof(T)) > beyond_L2;
  const bool copies_b =
      C == usual_panel && packs_b && !packs_a && !is_large && a.step == 1 && b.step == 1;
  const Size J_most = packs_a || is_large ? (packs_b ? part_size(J, most_columns, panel) : J)
                                          : (packs_b || is_unfinished ? panel : J);
  const Size M_most = packs_a         ? part_size(M, most_rows, R)
                      : is_unfinished ? part_size(M, unfinished_rows, R)
                      : is_large      ? part_size(M, most_unpacked_rows, R)
                                      : M;

  for (Size k = 0; k < K; k += K_most) {
    const Size K_part = K_most < K - k ? K_most : K - k;
    // The chains of the first block start from `start`, those of the others continue in `out`.
    const Start<T> from = k == 0 ? start : Start<T>{out.data, out.row};
    for (Size j = 0, J_part; j < J; j += J_part) {
      J_part = J - j <= widest || J - j < J_most ? J - j : J_most;
      Size m = 0;
      if (copies_b && J_part == panel) {
        m = copying_tile<C>(packed_b, out.from(0, j), a.from(0, k), b.from(k, j), from.from(0, j),
                            K_part, is_unfinished && k + K_part == K);
      } else if (packs_b) {
        pack_right(packed_b, b.from(k, j), panel, widest, K_part, J_part);
      }
      for (Size M_part; m < M; m += M_part) {
        M_part = M_most < M - m ? M_most : M - m;
        Left<T> left = {a.from(m, k), 0};
        if (packs_a) {
          pack_left<R>(packed_a, left.a, M_part, K_part);
          left = {{packed_a, 1, R}, packed_tile<R, T>(K_part)};
        }
        for (Size i = 0, width; i < J_part; i += width) {
          width = J_part - i <= widest ? J_part - i : panel;
          const RowMajor<const T> b_part =
              packs_b ? RowMajor<const T>{packed_b + i * K_part, packed_row<T>(width)}
                      : RowMajor<const T>{b.from(k, j + i).data, b.row};
          product_in_panel<C>(out.from(m, j + i), left, b_part, from.from(m, j + i), M_part, K_part,
                              width, is_unfinished && k + K_part == K);
        }
      }
    }
  }
}

template <class T>
__attribute__((noinline)) void product_in_rows(const Output<T>& out, const Strided<T>& a,
                                               const Strided<T>& b, Start<T> start, T* scratch,
                                               Size M, Size K, Size J) {
  constexpr Size L = lanes<T>;
  if (M <= tile_rows<8> && J > 4 * L) {
    product_in_panels<8>(out, a, b, start, scratch, M, K, J);
  } else if (J > 2 * L && (has_32_registers || M <= tile_rows<4>)) {
    product_in_panels<4>(out, a, b, start, scratch, M, K, J);
  } else if (J > L) {
    product_in_panels<2>(out, a, b, start, scratch, M, K, J);
  } else {
    product_in_panels<1>(out, a, b, start, scratch, M, K, J);
  }
}

// The same product as its transpose, out^T (J, M) = b^T (J, K) . a^T (K, M), for J <= tile_rows<2>.
template <class T>
void product_transposed(RowMajor<T> out, const Strided<T>& a, const Strided<T>& b, Start<T> start,
                        T* scratch, Size M, Size K, Size J) {
  if (J > tile_rows<2>) __builtin_unreachable();
  if (out.row == 1) {  // a single column is its own transpose
    if (start.data && start.row == 0) {
      for (Size m = 0; m < M; ++m) out.data[m] = start.data[0];
    } else {
      for (Size m = 0; m < M; ++m) out.data[m] = start.at(m, 0);
    }
    return product_in_rows<T>({out.data, M}, b.transposed(), a.transposed(), {out.data, M}, scratch,
                              1, K, M);
  }
  constexpr Size wide = 8 * lanes<T>;
  T part[tile_rows<2> * wide];
  for (Size m = 0; m < M; m += wide) {
    const Size width = M - m < wide ? M - m : wide;
    for (Size j = 0; j < J; ++j) {
      for (Size i = 0; i < width; ++i) part[j * wide + i] = start.at(m + i, j);
    }
    product_in_rows<T>({part, wide}, b.transposed(), a.from(m, 0).transposed(), {part, wide},
                       scratch, J, K, width);
    for (Size i = 0; i < width; ++i) {
      for (Size j = 0; j < J; ++j) out.data[(m + i) * out.row + j] = part[j * wide + i];
    }
  }
}

// Computes products of few rows, columns or steps by special methods, if all rows have the same
// start. Returns whether there is one.
template <class T>
bool product_of_few(T* out, const Strided<T>& a, const Strided<T>& b, const T* start, Size M,
                    Size K, Size J) {
  constexpr int C = most_few_columns;
  const Size few_rows = K < 4 ? 4 : C;
  // Transposing rows pays off unless they are short and a tile of partial vectors is well filled.
  const bool transposes_rows = J <= C && (J <= 5 || K > 24);
  const Size least_steps = J == 1 ? transposed_columns<T> : 8;
  if (M == 1 && J == 1) {
    product_naive(out, a, b, start, M, K, J);  // nothing shortens a single chain
  } else if (M == 1 && b.step == 1 && J <= 4 * lanes<T>) {
    packed_tiles<4, 1>(RowMajor<T>{out, J}, Left<T>{a, 0}, RowMajor<const T>{b.data, b.row},
                       Start<T>{start, 0}, M, K, J);
  } else if (b.step != 1 && M <= few_rows && !start) {
    product_of_few_columns<T>({out, 1, J}, b.transposed(), a.transposed(), nullptr, J, K, M);
  } else if (a.step == 1 && b.step == 1 && transposes_rows && M >= 12 && K >= least_steps) {
    product_of_few_columns<T>({out, J, 1}, a, b, start, M, K, J);
  } else if (K == 1 && J == 1 && M >= 64) {
    return false;  // as its transpose
  } else if (has_fma && K <= most_few_steps && J <= most_short_columns<T> && M > 4) {
    product_of_few_steps(out, a, b, start, M, K, J);
  } else {
    return false;
  }
  return true;
}

template <class T>
__attribute__((noinline)) void product(const Output<T>& out, const Strided<T>& a,
                                       const Strided<T>& b, Start<T> start, T* scratch, Size M,
                                       Size K, Size J) {
  if (M == 0 || J == 0) return;
  const bool is_row = !start.data || start.row == 0;  // the same for all rows
  if (K == 0) {
    product_naive(out.data, a, b, start.data, M, K, J);
    return out.finish(M, J);
  }
  if (is_row && product_of_few(out.data, a, b, start.data, M, K, J)) return out.finish(M, J);
  if (b.step == 1 && J >= 4 * lanes<T>) {
    const bool is_spread = J * Size(sizeof(T)) % 1024 == 0;
    const bool by_rows = is_spread || M <= most_rows_of_few_steps;
    if (K == 1) return rows_of_few_steps<1>(out, a, b, start, M, J);
    if (K == 2 && by_rows) return rows_of_few_steps<2>(out, a, b, start, M, J);
    if constexpr (most_rows_of_few_steps > 0) {
      if (K == 3 && by_rows) return rows_of_few_steps<3>(out, a, b, start, M, J);
    }
  }
  if constexpr (can_share_tails<T>) {
    if (has_tail_to_share(J) && a.step == 1 && b.step == 1 && M >= 8 && K <= most_depth) {
      product_with_shared_tail(out.product(), a, {b.data, b.row}, start, M, K, J);
      return out.finish(M, J);
    }
  }
  constexpr Size L = lanes<T>;
  // The cost of the columns that do not fill a vector, in multiply-adds: M for each step of k as a
  // partial vector; transposed, one per column and vector of rows, plus the packing of a where it
  // is needed, and once their copies.
  const Size rest = J % L, full = J - rest;
  const bool is_few = rest <= most_few_columns && a.row != 1 && is_row;
  const Size transposed = rest * ((M + L - 1) / L) + (a.row == 1 ? 0 : M * 3 / 4);
  const Size copied = is_few || J == 1 ? 0 : rest * M;
  const bool transposes = rest > 0 && rest <= tile_rows<2> && transposed * K + copied < M * K;
  const Size J_rows = transposes ? full : J;
  if (J_rows > 0) product_in_rows<T>(out, a, b, start, scratch, M, K, J_rows);
  if (!transposes) return;
  const Output<T> out_rest = out.from(0, full);
  const Strided<T> b_rest = b.from(0, full);
  const Start<T> start_rest = start.from(0, full);
  if (is_few) {
    product_of_few_columns<T>({out_rest.data, J, 1}, a, b_rest, start_rest.data, M, K, rest);
  } else {
    product_transposed<T>(out_rest.product(), a, b_rest, start_rest, scratch, M, K, rest);
  }
  out_rest.finish(M, rest);
}

template <class T>
__attribute__((noinline)) void matmul(const Output<T>& out, const T* x, const T* w, const T* b,
                                      T* scratch, Size N, Size I, Size O) {
  if (!is_dot(I, O)) {
    return product(out, Strided<T>{x, I, 1}, Strided<T>{w, O, 1}, Start<T>{b, 0}, scratch, N, I, O);
  }
  dots(out.data, x, w, b, N, I);
  out.finish(N, O);
}
template <class T>
void matmul_naive(T* out, const T* x, const T* w, const T* b, Size N, Size I, Size O) {
  if (is_dot(I, O)) return dots_naive(out, x, w, b, N, I);
  product_naive(out, Strided<T>{x, I, 1}, Strided<T>{w, O, 1}, b, N, I, O);
}

template <class T>
void matmul_tn(T* dw, const T* x, const T* dout, T* scratch, Size N, Size I, Size O, Summing how) {
  if (how.adds && N == 0) return;
  const Start<T> start = how.adds ? Start<T>{dw, O} : Start<T>{nullptr, 0};
  product<T>({dw, O}, Strided<T>{x, 1, how.x_row}, Strided<T>{dout, O, 1}, start, scratch, I, N, O);
}
template <class T>
void matmul_tn_naive(T* dw, const T* x, const T* dout, Size N, Size I, Size O) {
  const T* no_bias = nullptr;
  product_naive(dw, Strided<T>{x, 1, I}, Strided<T>{dout, O, 1}, no_bias, I, N, O);
}

template <class T>
__attribute__((noinline)) void matmul_nt(const Output<T>& dx, const T* dout, const T* w, T* scratch,
                                         Size N, Size I, Size O) {
  if (!is_dot(O, I)) {
    return product(dx, Strided<T>{dout, O, 1}, Strided<T>{w, 1, O}, Start<T>{nullptr, 0}, scratch,
                   N, O, I);
  }
  dots<T>(dx.data, dout, w, nullptr, N, O);
  dx.finish(N, I);
}
template <class T>
void matmul_nt(T* dx, const T* dout, const T* w, T* scratch, Size N, Size I, Size O) {
  matmul_nt<T>(Output<T>{dx, I}, dout, w, scratch, N, I, O);
}
template <class T>
void matmul_nt_naive(T* dx, const T* dout, const T* w, Size N, Size I, Size O) {
  if (is_dot(O, I)) return dots_naive<T>(dx, dout, w, nullptr, N, O);
  const T* no_bias = nullptr;
  product_naive(dx, Strided<T>{dout, O, 1}, Strided<T>{w, 1, O}, no_bias, N, O, I);
}

// With `adds`, the chains continue from what db holds, instead of from 0.
template <class T>
void column_sums(T* db, const T* dout, Size N, Size O, bool adds) {
  const auto add = [&](auto at, Size n, auto sum) { return sum + at.load(dout + n * O); };
  column_sum(db, N, O, {0, O}, add, adds);
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
