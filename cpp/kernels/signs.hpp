// Which lanes of a vector are < 0, as the bits of a word: all that the backward pass of a ReLU
// needs of its input, in an eighth of the memory or less.
#pragma once

#include "arguments.hpp"
#include "simd.hpp"

namespace handnn {
namespace {

#if defined(__AVX512F__)

inline Signs negative_lanes(Floats x) {
  return Signs(_mm512_cmp_ps_mask(__m512(x), _mm512_setzero_ps(), _CMP_LT_OQ));
}
inline Signs negative_lanes(Doubles x) {
  return Signs(_mm512_cmp_pd_mask(__m512d(x), _mm512_setzero_pd(), _CMP_LT_OQ));
}
inline Floats zero_lanes(Floats v, Signs which) {
  return Floats(_mm512_maskz_mov_ps(__mmask16(~which), __m512(v)));
}
inline Doubles zero_lanes(Doubles v, Signs which) {
  return Doubles(_mm512_maskz_mov_pd(__mmask8(~which), __m512d(v)));
}

#else

// 1, 2, 4, ...
template <class V>
inline Int<V> lane_bits() {
  Int<V> bits;
  for (int i = 0; i < lanes<Scalar<V>>; ++i) bits[i] = Int<Scalar<V>>(1) << i;
  return bits;
}

inline Signs negative_lanes(Floats x) {
#if defined(__AVX2__)
  return Signs(_mm256_movemask_ps(__m256(x < Floats{})));
#elif defined(__x86_64__)
  return Signs(_mm_movemask_ps(__m128(x < Floats{})));
#else
  return Signs(vaddvq_u32(uint32x4_t((x < Floats{}) & lane_bits<Floats>())));
#endif
}
inline Signs negative_lanes(Doubles x) {
#if defined(__AVX2__)
  return Signs(_mm256_movemask_pd(__m256d(x < Doubles{})));
#elif defined(__x86_64__)
  return Signs(_mm_movemask_pd(__m128d(x < Doubles{})));
#else
  return Signs(vaddvq_u64(uint64x2_t((x < Doubles{}) & lane_bits<Doubles>())));
#endif
}
template <class V>
inline V zero_lanes(V v, Signs which) {
  const Int<V> all = Int<Scalar<V>>(which) - Int<V>{};
  return (all & lane_bits<V>()) != 0 ? V{} : v;
}

#endif

}  // namespace
}  // namespace handnn
