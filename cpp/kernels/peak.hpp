// The peak rate of multiply-adds, against which products are compared.
#pragma once

#include "simd.hpp"

namespace handnn {
namespace {

// `turns` rounds of independent chains of fused multiply-adds of whole vectors; returns the
// floating-point operations done (two per lane). *sink receives a sum, so that the compiler keeps
// the chains. They start from different numbers, because the compiler merges equal ones, and stay
// among normal numbers, because some CPUs are slow with denormal ones.
template <int chains, class T>
double fma_chains_of(T* sink, Size turns) {
  Vector<T> sum[chains];
  for (int i = 0; i < chains; ++i) sum[i] = splat(T(1 + i));
  const Vector<T> a = load(sink) * T(0) + T(1), b = splat(T(0x1p-20));
  for (Size turn = 0; turn < turns; ++turn) {
    HANDNN_UNROLL
    for (int i = 0; i < chains; ++i) sum[i] = fma(a, b, sum[i]);
  }
  Vector<T> total{};
  for (int i = 0; i < chains; ++i) total += sum[i];
  store(sink, total);
  return 2.0 * chains * lanes<T> * double(turns);
}

// Forms 0 ... fma_forms - 1 differ in their number of chains. Two units with a latency of four
// cycles need eight; more chains hide delays in one of them, as long as the registers hold their
// sums. Which form is fastest depends on the CPU.
template <class T>
double fma_chains(T* sink, Size turns, int form) {
  return form == 0   ? fma_chains_of<8>(sink, turns)
         : form == 1 ? fma_chains_of<10>(sink, turns)
         : form == 2 ? fma_chains_of<12>(sink, turns)
         : form == 3 ? fma_chains_of<16>(sink, turns)
                     : fma_chains_of<24>(sink, turns);
}

}  // namespace
}  // namespace handnn
