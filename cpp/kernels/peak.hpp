// The peak rate of multiply-adds, against which products are compared.
#pragma once

#include "simd.hpp"

namespace handnn {
namespace {

// `turns` rounds of 12 independent fused multiply-adds of whole vectors; returns the floating-point
// operations done (two per lane); *sink receives a sum, so that the compiler keeps them.
template <class T>
double fma_chains(T* sink, Size turns) {
  constexpr int chains = 12;
  Vector<T> sum[chains];
  for (int i = 0; i < chains; ++i)
    sum[i] = splat(T(i));  // all different: the compiler merges equal chains
  const Vector<T> a = load(sink), b = splat(T(0.5));
  for (Size turn = 0; turn < turns; ++turn) {
    for (int i = 0; i < chains; ++i) sum[i] = fma(sum[i], b, a);
  }
  Vector<T> total{};
  for (int i = 0; i < chains; ++i) total += sum[i];
  store(sink, total);
  return 2.0 * chains * lanes<T> * double(turns);
}

}  // namespace
}  // namespace handnn
