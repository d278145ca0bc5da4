// Dropout: out = x / (1 - p) where an entry is kept, 0 where it is dropped, which happens with
// probability p
//
// Whether entry i of a batch is dropped, only (seed, step, i) decide: its hash, a number below
// 2^32, is then below p 2^32. So any part of a batch can be computed anywhere, and backward drops
// the same entries without having kept a mask.
#pragma once

#include <cstdint>

#include "../size.hpp"

namespace handnn {
namespace {

// The finisher of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
inline std::uint64_t mixed(std::uint64_t z) {
  z += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// x (n), entries first ... first + n - 1 of a batch -> out (n), overwritten; out may be x. Forward
// and backward are one. Its operations are of whole numbers, so that this plain loop becomes
// vectors: it is its own naive twin. The hash is Wellons's lowbias32 (hash-prospector, 2018), with
// the key of the step added in two places.
template <class T>
void dropout(T* out, const T* x, double p, std::uint64_t seed, std::uint64_t step, Size first,
             Size n) {
  const std::uint64_t key = mixed(mixed(seed) + step);
  const std::uint32_t before = std::uint32_t(key), between = std::uint32_t(key >> 32);
  const double limit = p * 0x1p32 + 0.5;
  const std::uint32_t least = limit < 0x1p32 ? std::uint32_t(limit) : 0xffffffff;
  const T scale = T(1 / (1 - p));
  const std::uint32_t start = std::uint32_t(first);
  for (Size i = 0; i < n; ++i) {
    std::uint32_t hash = start + std::uint32_t(i) + before;
    hash = (hash ^ (hash >> 16)) * 0x7feb352d;
    hash = (hash ^ (hash >> 15) ^ between) * 0x846ca68b;
    hash ^= hash >> 16;
    out[i] = hash >= least ? x[i] * scale : T(0);
  }
}

}  // namespace
}  // namespace handnn
