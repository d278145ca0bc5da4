// Vectors. Code that uses this file is written once, for any width and dtype.
//
//   Vector<T>       as many lanes of T (float or double) as this instruction set's registers hold;
//                   + - * / < and ?: work lane by lane (GCC/Clang vector extensions)
//   load, store     one vector, from and to any address
//   First<T>        "only the first n lanes": load fills the others with 0, store leaves them
//   fma(a, b, c)    a * b + c, rounded once; without FMA (x86-64-v2) rounded twice
//
// The scalars float and double also have fma and bits, so that a formula written as a template
// compiles for vectors and for the scalars of the naive twin.
#pragma once

#include <cstdint>
#include <type_traits>

#include "size.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#else
#error "handnn has kernels for x86-64 and arm64 only"
#endif

// UNROLL is for loops over the rows or vectors of a tile. The sums of a tile stay in registers only
// if these loops are unrolled. ROLL is for loops that are rarely worth the code.
#if defined(__clang__)
#define HANDNN_UNROLL _Pragma("clang loop unroll(full)")
#define HANDNN_ROLL _Pragma("clang loop unroll(disable) vectorize(disable)")
#else
#define HANDNN_UNROLL _Pragma("GCC unroll 32")
#define HANDNN_ROLL _Pragma("GCC unroll 1")
#endif

namespace handnn {
namespace {

#if defined(__AVX512F__)
constexpr int vector_bytes = 64;
#elif defined(__AVX2__)
constexpr int vector_bytes = 32;
#else
constexpr int vector_bytes = 16;
#endif

template <class T>
constexpr int lanes = vector_bytes / int(sizeof(T));

typedef float Floats __attribute__((vector_size(vector_bytes)));
typedef double Doubles __attribute__((vector_size(vector_bytes)));
typedef std::int32_t Int32s __attribute__((vector_size(vector_bytes)));
typedef std::int64_t Int64s __attribute__((vector_size(vector_bytes)));

// Of<V>: the scalar type of V, and the integer type of the same shape.
template <class V>
struct Of;
template <>
struct Of<float> {
  using Scalar = float;
  using Int = std::int32_t;
  using Vector = Floats;
};
template <>
struct Of<double> {
  using Scalar = double;
  using Int = std::int64_t;
  using Vector = Doubles;
};
template <>
struct Of<Floats> {
  using Scalar = float;
  using Int = Int32s;
};
template <>
struct Of<Doubles> {
  using Scalar = double;
  using Int = Int64s;
};

template <class V>
using Scalar = typename Of<V>::Scalar;
template <class V>
using Int = typename Of<V>::Int;
template <class T>
using Vector = typename Of<T>::Vector;

// One 32-bit word for each lane of a vector of T, for arithmetic modulo 2^32.
typedef std::uint32_t FloatWords __attribute__((vector_size(vector_bytes)));
typedef std::uint32_t DoubleWords __attribute__((vector_size(vector_bytes / 2)));
template <class T>
using Words = std::conditional_t<sizeof(T) == 4, FloatWords, DoubleWords>;

// The result of comparing two Vs: -1 or 0 in each lane; a bool for scalars.
template <class V>
using Mask = decltype(V{} < V{});

// Whether any lane is true.
inline bool any(bool truth) { return truth; }
template <class M>
inline bool any(M mask) {
#if defined(__AVX512F__)
  return _mm512_test_epi32_mask(__m512i(mask), __m512i(mask)) != 0;
#elif defined(__AVX2__)
  return _mm256_movemask_epi8(__m256i(mask)) != 0;
#elif defined(__x86_64__)
  return _mm_movemask_epi8(__m128i(mask)) != 0;
#else
  return vmaxvq_u32(uint32x4_t(mask)) != 0;
#endif
}

template <class V>
inline Int<V> bits(V v) {
  return __builtin_bit_cast(Int<V>, v);
}
template <class V>
inline V from_bits(Int<V> i) {
  return __builtin_bit_cast(V, i);
}

template <class T>
inline Vector<T> load(const T* p) {
  Vector<T> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <class T>
inline void store(T* p, Vector<T> v) {
  __builtin_memcpy(p, &v, sizeof v);
}

// As many lanes of T as a vector of doubles has, and their conversion to double.
typedef float HalfFloats __attribute__((vector_size(vector_bytes / 2)));
template <class T>
using DoubleLanes = std::conditional_t<sizeof(T) == 4, HalfFloats, Doubles>;
template <class T>
inline DoubleLanes<T> load_double_lanes(const T* p) {
  DoubleLanes<T> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <class T>
inline void store_double_lanes(T* p, DoubleLanes<T> v) {
  __builtin_memcpy(p, &v, sizeof v);
}
#if defined(__AVX512F__)  // GCC 12 would convert halves of v, and then join them
inline Doubles to_double(HalfFloats v) {
  return Doubles(_mm512_maskz_cvtps_pd(__mmask8(-1), __m256(v)));
}
#elif defined(__AVX2__)
inline Doubles to_double(HalfFloats v) { return Doubles(_mm256_cvtps_pd(__m128(v))); }
#else
inline Doubles to_double(HalfFloats v) { return __builtin_convertvector(v, Doubles); }
#endif
inline Doubles to_double(Doubles v) { return v; }

// A vector with the same value in every lane. (Subtracting 0 keeps -0; adding it would not.)
template <class T>
inline Vector<T> splat(T value) {
  return value - Vector<T>{};
}

#if defined(__AVX512F__)

template <class T>
struct First;
template <>
struct First<float> {
  __mmask16 mask;
  explicit First(Size n) : mask(__mmask16((1u << n) - 1)) {}
};
template <>
struct First<double> {
  __mmask8 mask;
  explicit First(Size n) : mask(__mmask8((1u << n) - 1)) {}
};
inline Floats load(const float* p, First<float> first) {
  return Floats(_mm512_maskz_loadu_ps(first.mask, p));
}
inline Doubles load(const double* p, First<double> first) {
  return Doubles(_mm512_maskz_loadu_pd(first.mask, p));
}
inline void store(float* p, Floats v, First<float> first) {
  _mm512_mask_storeu_ps(p, first.mask, __m512(v));
}
inline void store(double* p, Doubles v, First<double> first) {
  _mm512_mask_storeu_pd(p, first.mask, __m512d(v));
}
inline Floats fma(Floats a, Floats b, Floats c) {
  return Floats(_mm512_fmadd_ps(__m512(a), __m512(b), __m512(c)));
}
inline Doubles fma(Doubles a, Doubles b, Doubles c) {
  return Doubles(_mm512_fmadd_pd(__m512d(a), __m512d(b), __m512d(c)));
}
// a * 2^n for integral n, rounded once. Only AVX-512 has an instruction for it; exp.hpp has a
// function for the others. (The masked form avoids a warning in GCC 12's own header.)
inline Floats scale_exponent(Floats a, Floats n) {
  return Floats(_mm512_maskz_scalef_ps(__mmask16(-1), __m512(a), __m512(n)));
}
inline Doubles scale_exponent(Doubles a, Doubles n) {
  return Doubles(_mm512_maskz_scalef_pd(__mmask8(-1), __m512d(a), __m512d(n)));
}

#elif defined(__AVX2__)

template <class T>
struct First {
  __m256i mask;
  int count;
  explicit First(Size n) : count(int(n)) {
    Int<Vector<T>> lane;
    for (int i = 0; i < lanes<T>; ++i) lane[i] = i;
    mask = __m256i(lane < Int<T>(n));
  }
};
inline Floats load(const float* p, First<float> first) {
  return Floats(_mm256_maskload_ps(p, first.mask));
}
inline Doubles load(const double* p, First<double> first) {
  return Doubles(_mm256_maskload_pd(p, first.mask));
}
// In parts of 4, 2 and 1 lanes: a masked store takes about 16 cycles on AMD's CPUs.
inline void store(float* p, Floats v, First<float> first) {
  __m128 part = _mm256_castps256_ps128(__m256(v));
  if (first.count & 4) {
    _mm_storeu_ps(p, part);
    part = _mm256_extractf128_ps(__m256(v), 1);
    p += 4;
  }
  if (first.count & 2) {
    _mm_storel_pi(reinterpret_cast<__m64*>(p), part);
    part = _mm_movehl_ps(part, part);
    p += 2;
  }
  if (first.count & 1) _mm_store_ss(p, part);
}
inline void store(double* p, Doubles v, First<double> first) {
  __m128d part = _mm256_castpd256_pd128(__m256d(v));
  if (first.count & 2) {
    _mm_storeu_pd(p, part);
    part = _mm256_extractf128_pd(__m256d(v), 1);
    p += 2;
  }
  if (first.count & 1) _mm_store_sd(p, part);
}
inline Floats fma(Floats a, Floats b, Floats c) {
  return Floats(_mm256_fmadd_ps(__m256(a), __m256(b), __m256(c)));
}
inline Doubles fma(Doubles a, Doubles b, Doubles c) {
  return Doubles(_mm256_fmadd_pd(__m256d(a), __m256d(b), __m256d(c)));
}

#else

template <class T>
struct First {
  Size n;
  explicit First(Size count) : n(count) {}
};
template <class T>
inline Vector<T> load(const T* p, First<T> first) {
  Vector<T> v{};
  for (int i = 0; i < lanes<T>; ++i) {
    if (i < first.n) v[i] = p[i];
  }
  return v;
}
template <class T>
inline void store(T* p, Vector<T> v, First<T> first) {
  for (int i = 0; i < lanes<T>; ++i) {
    if (i < first.n) p[i] = v[i];
  }
}

#if defined(__aarch64__)
inline Floats fma(Floats a, Floats b, Floats c) {
  return Floats(vfmaq_f32(float32x4_t(c), float32x4_t(a), float32x4_t(b)));
}
inline Doubles fma(Doubles a, Doubles b, Doubles c) {
  return Doubles(vfmaq_f64(float64x2_t(c), float64x2_t(a), float64x2_t(b)));
}
#else
inline Floats fma(Floats a, Floats b, Floats c) { return a * b + c; }
inline Doubles fma(Doubles a, Doubles b, Doubles c) { return a * b + c; }
#endif

#endif

// Short<T>: the vectors of code that mostly shuffles. With AVX-512 they have 32 bytes, because two
// such vectors can be shuffled at the same time, but only one of 64 bytes.
#if defined(__AVX512F__)
typedef double HalfDoubles __attribute__((vector_size(vector_bytes / 2)));
template <class T>
using Short = std::conditional_t<sizeof(T) == 4, HalfFloats, HalfDoubles>;
inline HalfFloats fma(HalfFloats a, HalfFloats b, HalfFloats c) {
  return HalfFloats(_mm256_fmadd_ps(__m256(a), __m256(b), __m256(c)));
}
inline HalfDoubles fma(HalfDoubles a, HalfDoubles b, HalfDoubles c) {
  return HalfDoubles(_mm256_fmadd_pd(__m256d(a), __m256d(b), __m256d(c)));
}
#else
template <class T>
using Short = Vector<T>;
#endif
template <class T>
constexpr int short_lanes = int(sizeof(Short<T>) / sizeof(T));

// The first n lanes of v and the other lanes of `rest`.
template <class T>
inline Vector<T> with_rest(Vector<T> v, Vector<T> rest, Size n) {
  Int<Vector<T>> lane;
  for (int i = 0; i < lanes<T>; ++i) lane[i] = i;
  return lane < Int<T>(n) ? v : rest;
}

#if defined(__FMA__) || defined(__aarch64__)
constexpr bool has_fma = true;
inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
#else
constexpr bool has_fma = false;
inline float fma(float a, float b, float c) { return a * b + c; }
inline double fma(double a, double b, double c) { return a * b + c; }
#endif

// The larger and the smaller of x and bound; x if it is NaN. (The minimum and maximum instructions
// of x86 return the second operand in that case.)
template <class V>
inline V at_least(V x, V bound) {
  return x < bound ? bound : x;
}
template <class V>
inline V at_most(V x, V bound) {
  return x > bound ? bound : x;
}
#if defined(__AVX512F__)
inline Floats at_least(Floats x, Floats bound) {
  return Floats(_mm512_maskz_max_ps(__mmask16(-1), __m512(bound), __m512(x)));
}
inline Doubles at_least(Doubles x, Doubles bound) {
  return Doubles(_mm512_maskz_max_pd(__mmask8(-1), __m512d(bound), __m512d(x)));
}
inline Floats at_most(Floats x, Floats bound) {
  return Floats(_mm512_maskz_min_ps(__mmask16(-1), __m512(bound), __m512(x)));
}
inline Doubles at_most(Doubles x, Doubles bound) {
  return Doubles(_mm512_maskz_min_pd(__mmask8(-1), __m512d(bound), __m512d(x)));
}
#elif defined(__AVX2__)
inline Floats at_least(Floats x, Floats bound) {
  return Floats(_mm256_max_ps(__m256(bound), __m256(x)));
}
inline Doubles at_least(Doubles x, Doubles bound) {
  return Doubles(_mm256_max_pd(__m256d(bound), __m256d(x)));
}
inline Floats at_most(Floats x, Floats bound) {
  return Floats(_mm256_min_ps(__m256(bound), __m256(x)));
}
inline Doubles at_most(Doubles x, Doubles bound) {
  return Doubles(_mm256_min_pd(__m256d(bound), __m256d(x)));
}
#endif

// The value as a scalar, or in every lane of a vector.
template <class V>
inline V constant(double value) {
  return Scalar<V>(value) - V{};
}

template <class V>
inline V absolute(V x) {
  return from_bits<V>(bits(x) & ~bits(constant<V>(-0.0)));
}

// The square root, rounded once.
inline float square_root(float x) { return __builtin_sqrtf(x); }
inline double square_root(double x) { return __builtin_sqrt(x); }
#if defined(__AVX512F__)
inline Floats square_root(Floats x) {
  return Floats(_mm512_maskz_sqrt_ps(__mmask16(-1), __m512(x)));
}
inline Doubles square_root(Doubles x) {
  return Doubles(_mm512_maskz_sqrt_pd(__mmask8(-1), __m512d(x)));
}
#elif defined(__AVX2__)
inline Floats square_root(Floats x) { return Floats(_mm256_sqrt_ps(__m256(x))); }
inline Doubles square_root(Doubles x) { return Doubles(_mm256_sqrt_pd(__m256d(x))); }
#elif defined(__x86_64__)
inline Floats square_root(Floats x) { return Floats(_mm_sqrt_ps(__m128(x))); }
inline Doubles square_root(Doubles x) { return Doubles(_mm_sqrt_pd(__m128d(x))); }
#else
inline Floats square_root(Floats x) { return Floats(vsqrtq_f32(float32x4_t(x))); }
inline Doubles square_root(Doubles x) { return Doubles(vsqrtq_f64(float64x2_t(x))); }
#endif

}  // namespace
}  // namespace handnn
