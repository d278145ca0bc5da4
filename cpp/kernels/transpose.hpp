// Transposing small squares of a matrix in registers: as many rows and columns as a vector has
// lanes.
//
//   transposed   columns[i][j] = row(j)[i], where row(j) is the address of row j
//   transposed_part   the same for columns j ... j + transposed_columns - 1 of a Short square only
//   transpose    the same for rows[j] + first, and columns are stored out_stride elements apart
#pragma once

#include "simd.hpp"

namespace handnn {
namespace {

// The number of columns of a part: 16 bytes of a row.
template <class T>
constexpr int transposed_columns = 16 / int(sizeof(T));

// The number of columns of a part in a product with C columns, whose rows are in the lanes of S:
// twice as many where that was measured to be faster.
template <class S, int C>
constexpr int columns_of_part = 16 / int(sizeof(S{}[0]));
#if defined(__AVX512F__)
template <int C>
constexpr int columns_of_part<Floats, C> = C == 1 ? 8 : 4;
#endif

#if defined(__AVX2__)

// AVX2 shuffles within 128-bit halves only. So loads bring the halves together, and each group of
// rows is transposed within them.
inline __m256 load_halves(const float* low, const float* high) {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low)), _mm_loadu_ps(high), 1);
}
inline __m256d load_halves(const double* low, const double* high) {
  return _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(low)), _mm_loadu_pd(high), 1);
}
template <class Row>
inline void transposed_part(Short<float> (&columns)[4], Row row, Size j) {
  __m256 part[4];
  HANDNN_UNROLL
  for (int i = 0; i < 4; ++i) part[i] = load_halves(row(i) + j, row(i + 4) + j);
  const __m256d low_01 = _mm256_castps_pd(_mm256_unpacklo_ps(part[0], part[1])),
                high_01 = _mm256_castps_pd(_mm256_unpackhi_ps(part[0], part[1])),
                low_23 = _mm256_castps_pd(_mm256_unpacklo_ps(part[2], part[3])),
                high_23 = _mm256_castps_pd(_mm256_unpackhi_ps(part[2], part[3]));
  columns[0] = Short<float>(_mm256_unpacklo_pd(low_01, low_23));
  columns[1] = Short<float>(_mm256_unpackhi_pd(low_01, low_23));
  columns[2] = Short<float>(_mm256_unpacklo_pd(high_01, high_23));
  columns[3] = Short<float>(_mm256_unpackhi_pd(high_01, high_23));
}
template <class Row>
inline void transposed_part(Short<double> (&columns)[2], Row row, Size j) {
  const __m256d a = load_halves(row(0) + j, row(2) + j), b = load_halves(row(1) + j, row(3) + j);
  columns[0] = Short<double>(_mm256_unpacklo_pd(a, b));
  columns[1] = Short<double>(_mm256_unpackhi_pd(a, b));
}

#endif

#if defined(__AVX512F__)

// The transposes of the 4 x 4 squares in the quarters of four vectors. (The masked forms of the
// shuffles avoid a warning in GCC 12's own header.)
inline void transpose_quarters(__m512* columns, const __m512 (&part)[4]) {
  const __m512d low_01 = __m512d(_mm512_maskz_unpacklo_ps(__mmask16(-1), part[0], part[1])),
                high_01 = __m512d(_mm512_maskz_unpackhi_ps(__mmask16(-1), part[0], part[1])),
                low_23 = __m512d(_mm512_maskz_unpacklo_ps(__mmask16(-1), part[2], part[3])),
                high_23 = __m512d(_mm512_maskz_unpackhi_ps(__mmask16(-1), part[2], part[3]));
  columns[0] = __m512(_mm512_maskz_unpacklo_pd(__mmask8(-1), low_01, low_23));
  columns[1] = __m512(_mm512_maskz_unpackhi_pd(__mmask8(-1), low_01, low_23));
  columns[2] = __m512(_mm512_maskz_unpacklo_pd(__mmask8(-1), high_01, high_23));
  columns[3] = __m512(_mm512_maskz_unpackhi_pd(__mmask8(-1), high_01, high_23));
}

// The same for as many rows as a whole vector has lanes, in its four quarters. A masked load needs
// no shuffle.
template <class Row>
inline void transposed_part(Floats (&columns)[4], Row row, Size j) {
  __m512 part[4];
  HANDNN_UNROLL
  for (int i = 0; i < 4; ++i) {
    __m512 quarters = _mm512_castps128_ps512(_mm_loadu_ps(row(i) + j));
    quarters = _mm512_mask_broadcast_f32x4(quarters, 0x00f0, _mm_loadu_ps(row(i + 4) + j));
    quarters = _mm512_mask_broadcast_f32x4(quarters, 0x0f00, _mm_loadu_ps(row(i + 8) + j));
    part[i] = _mm512_mask_broadcast_f32x4(quarters, 0xf000, _mm_loadu_ps(row(i + 12) + j));
  }
  __m512 transposed[4];
  transpose_quarters(transposed, part);
  HANDNN_UNROLL
  for (int i = 0; i < 4; ++i) columns[i] = Floats(transposed[i]);
}
// Eight columns: half as many loads for each of them, and half as many shuffles again.
template <class Row>
inline void transposed_part(Floats (&columns)[8], Row row, Size j) {
  __m512 fours[8];
  HANDNN_UNROLL
  for (int h = 0; h < 8; h += 4) {  // rows 0 to 7, 8 to 15
    __m512 part[4];
    HANDNN_UNROLL
    for (int i = 0; i < 4; ++i) {
      const __m512 low = _mm512_castps256_ps512(_mm256_loadu_ps(row(2 * h + i) + j));
      part[i] = _mm512_mask_broadcast_f32x8(low, 0xff00, _mm256_loadu_ps(row(2 * h + i + 4) + j));
    }
    transpose_quarters(fours + h, part);
  }
  HANDNN_UNROLL
  for (int i = 0; i < 4; ++i) {
    const __m512 a = fours[i], b = fours[i + 4];
    columns[i] = Floats(_mm512_maskz_shuffle_f32x4(__mmask16(-1), a, b, 0x88));
    columns[i + 4] = Floats(_mm512_maskz_shuffle_f32x4(__mmask16(-1), a, b, 0xdd));
  }
}
template <class Row>
inline void transposed_part(Doubles (&columns)[2], Row row, Size j) {
  __m512d part[2];
  HANDNN_UNROLL
  for (int i = 0; i < 2; ++i) {
    __m512d quarters = _mm512_castpd128_pd512(_mm_loadu_pd(row(i) + j));
    quarters = _mm512_mask_broadcast_f64x2(quarters, 0x0c, _mm_loadu_pd(row(i + 2) + j));
    quarters = _mm512_mask_broadcast_f64x2(quarters, 0x30, _mm_loadu_pd(row(i + 4) + j));
    part[i] = _mm512_mask_broadcast_f64x2(quarters, 0xc0, _mm_loadu_pd(row(i + 6) + j));
  }
  columns[0] = Doubles(_mm512_maskz_unpacklo_pd(__mmask8(-1), part[0], part[1]));
  columns[1] = Doubles(_mm512_maskz_unpackhi_pd(__mmask8(-1), part[0], part[1]));
}

#endif

#if defined(__AVX2__) && !defined(__AVX512F__)

template <class V, int L, class Row>
inline void transposed(V (&columns)[L], Row row) {
  constexpr int P = transposed_columns<Scalar<V>>;
  HANDNN_UNROLL
  for (int j = 0; j < L; j += P) {
    V part[P];
    transposed_part(part, row, j);
    HANDNN_UNROLL
    for (int i = 0; i < P; ++i) columns[j + i] = part[i];
  }
}

#else

// log2(lanes) rounds of interleaving the first half of the rows with the second half.
template <class V, int L, class Row>
inline void transposed(V (&now)[L], Row row) {
#if defined(__has_builtin) && __has_builtin(__builtin_shufflevector)
  V next[L];
  HANDNN_UNROLL
  for (int i = 0; i < L; ++i) now[i] = load(row(i));
  for (int round = 1; round < L; round *= 2) {
    for (int i = 0; i < L / 2; ++i) {
      const V a = now[i], b = now[i + L / 2];
      if constexpr (L == 2) {
        next[2 * i] = __builtin_shufflevector(a, b, 0, 2);
        next[2 * i + 1] = __builtin_shufflevector(a, b, 1, 3);
      } else if constexpr (L == 4) {
        next[2 * i] = __builtin_shufflevector(a, b, 0, 4, 1, 5);
        next[2 * i + 1] = __builtin_shufflevector(a, b, 2, 6, 3, 7);
      } else if constexpr (L == 8) {
        next[2 * i] = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
        next[2 * i + 1] = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
      } else {
        next[2 * i] =
            __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        next[2 * i + 1] = __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13,
                                                  29, 14, 30, 15, 31);
      }
    }
    for (int i = 0; i < L; ++i) now[i] = next[i];
  }
#else
  for (int i = 0; i < L; ++i) {
    for (int j = 0; j < L; ++j) now[i][j] = row(j)[i];
  }
#endif
}

#endif

#if !defined(__AVX2__)
template <class V, int L, class Row>
inline void transposed_part(V (&columns)[L], Row row, Size) {
  transposed(columns, row);
}
#endif

template <class T>
inline void transpose(T* out, Size out_stride, const T* const* rows, Size first) {
  constexpr int L = lanes<T>;
  Vector<T> columns[L];
  transposed(columns, [&](Size j) { return rows[j] + first; });
  HANDNN_UNROLL
  for (int i = 0; i < L; ++i) store(out + i * out_stride, columns[i]);
}

}  // namespace
}  // namespace handnn
