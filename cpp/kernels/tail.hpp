// A product whose last one or two columns do not fill a vector: several rows share a vector for
// them.
//
//   a row of out:    | vector | vector | vector | j j |            50 columns of 16 lanes
//   L / 2 rows:      their last two columns side by side, | j j | j j | j j | ... |
//
// The shared vector needs the elements of a twice each. It is blended from the broadcasts that the
// full vectors need anyway, and blends do not occupy the multiply-add units. A separate
// vector for the tail of each row would cost as much as 16 columns.
#pragma once

#include "tile.hpp"

namespace handnn {
namespace {

// p[0], p[1], p[0], p[1], ...
inline Floats splat_pair(const float* p) {
  std::int64_t both;
  __builtin_memcpy(&both, p, sizeof both);
  return __builtin_bit_cast(Floats, both - Int64s{});
}

// Whether the registers hold the sums of L / 2 rows of up to three vectors.
template <class T>
constexpr bool can_share_tails = vector_bytes == 64 && sizeof(T) == 4;

// Whether J columns are one to three vectors plus one or two columns.
inline bool has_tail_to_share(Size J) {
  constexpr Size L = lanes<float>;
  return J / L >= 1 && J / L <= 3 && (J % L == 1 || J % L == 2);
}

// L / 2 rows of out = start + a (L / 2, K) . b (K, J), where J is C vectors and one or two columns.
// The last two columns share a vector. If the tail is one column, the column before it is computed
// twice.
template <int C>
void rows_with_shared_tail(RowMajor<float> out, Strided<float> a, RowMajor<const float> b,
                           Start<float> start, Size K, Size J) {
  constexpr int L = lanes<float>, R = L / 2;
  Floats sum[R][C] = {}, tail{};
  float tails[L];
  if (start.data) {
    for (int r = 0; r < R; ++r) {
      const float* row = start.from(r, 0).data;
      HANDNN_UNROLL
      for (int c = 0; c < C; ++c) sum[r][c] = load(row + c * L);
      tails[2 * r] = row[J - 2];
      tails[2 * r + 1] = row[J - 1];
    }
    tail = load(tails);
  }
  for (Size k = 0; k < K; ++k) {
    Floats b_part[C], a_elements{};
    HANDNN_UNROLL
    for (int c = 0; c < C; ++c) b_part[c] = load(b.data + k * b.row + c * L);
    HANDNN_UNROLL
    for (int r = 0; r < R; ++r) {
      const Floats a_element = splat(a.data[r * a.row + k]);
      a_elements = r ? with_rest<float>(a_elements, a_element, 2 * r) : a_element;
      HANDNN_UNROLL
      for (int c = 0; c < C; ++c) sum[r][c] = fma(a_element, b_part[c], sum[r][c]);
    }
    tail = fma(a_elements, splat_pair(b.data + k * b.row + J - 2), tail);
  }
  store(tails, tail);
  HANDNN_UNROLL
  for (int r = 0; r < R; ++r) {
    float* row = out.data + r * out.row;
    HANDNN_UNROLL
    for (int c = 0; c < C; ++c) store(row + c * L, sum[r][c]);
    row[J - 2] = tails[2 * r];
    row[J - 1] = tails[2 * r + 1];
  }
}

// All M rows.
inline void product_with_shared_tail(RowMajor<float> out, Strided<float> a, RowMajor<const float> b,
                                     Start<float> start, Size M, Size K, Size J) {
  constexpr Size R = lanes<float> / 2;
  const auto rows = J / lanes<float> == 1   ? rows_with_shared_tail<1>
                    : J / lanes<float> == 2 ? rows_with_shared_tail<2>
                                            : rows_with_shared_tail<3>;
  Size m = 0;
  for (; m + R <= M; m += R) {
    rows(out.from(m, 0), a.from(m, 0), b, start.from(m, 0), K, J);
  }
  if (m == M) return;
  tiles<4>(out.from(m, 0), Left<float>{a.from(m, 0), 0}, b, start.from(m, 0), M - m, K, J);
}

}  // namespace
}  // namespace handnn
