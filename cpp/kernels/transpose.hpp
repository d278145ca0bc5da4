// Transposing small squares of a matrix in registers: as many rows and columns as a vector has
// lanes.
//
//   transposed   columns[i][j] = row(j)[i], where row(j) is the address of row j
//   transposed_part   the first transposed_columns columns of a Short square only
//   transpose    the same for rows[j] + first, and columns are stored out_stride elements apart
#pragma once

#include "simd.hpp"

namespace handnn {
namespace {

// The number of columns of a part: 16 bytes of a row.
template <class T>
constexpr int transposed_columns = 16 / int(sizeof(T));

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
inline void transposed_part(Short<float> (&columns)[4], Row row) {
  __m256 part[4];
  HANDNN_UNROLL
  for (int i = 0; i < 4; ++i) part[i] = load_halves(row(i), row(i + 4));
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
inline void transposed_part(Short<double> (&columns)[2], Row row) {
  const __m256d a = load_halves(row(0), row(2)), b = load_halves(row(1), row(3));
  columns[0] = Short<double>(_mm256_unpacklo_pd(a, b));
  columns[1] = Short<double>(_mm256_unpackhi_pd(a, b));
}

#endif

#if defined(__AVX2__) && !defined(__AVX512F__)

template <class V, int L, class Row>
inline void transposed(V (&columns)[L], Row row) {
  constexpr int P = transposed_columns<Scalar<V>>;
  HANDNN_UNROLL
  for (int j = 0; j < L; j += P) {
    V part[P];
    transposed_part(part, [&](Size i) { return row(i) + j; });
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
inline void transposed_part(V (&columns)[L], Row row) {
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
