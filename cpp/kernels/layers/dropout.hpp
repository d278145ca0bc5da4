// Dropout: out = 0 with probability p, x / (1 - p) otherwise
//
// Entry i of a batch is dropped or kept by an integer function of (seed, step, i). So the mask is
// the same on every machine, any range of entries can be computed separately, and backward
// recomputes it instead of storing it.
#pragma once

#include <cstdint>

#include "../each_vector.hpp"

namespace handnn {
namespace {

// The first output of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) from this state.
inline std::uint64_t split_mix(std::uint64_t state) {
  state += 0x9e3779b97f4a7c15;
  state = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9;
  state = (state ^ (state >> 27)) * 0x94d049bb133111eb;
  return state ^ (state >> 31);
}

struct Dropping {
  std::uint32_t low, high;  // the two halves of the key of (seed, step)
  std::uint32_t threshold;  // p 2^32, rounded, and at most 2^32 - 1
  double scale;             // 1 / (1 - p)

  Dropping(std::uint64_t seed, std::uint64_t step, double p) {
    const std::uint64_t key = split_mix(split_mix(seed) + step);
    low = std::uint32_t(key);
    high = std::uint32_t(key >> 32);
    const std::uint64_t rounded = std::uint64_t(p * 0x1p32 + 0.5);
    threshold = rounded < 0xffffffff ? std::uint32_t(rounded) : 0xffffffff;
    scale = 1 / (1 - p);
  }

  // Entry i starts from low + i golden, modulo 2^32. (With steps of 1, hashes of neighboring
  // entries would be correlated.)
  static constexpr std::uint32_t golden = 0x9e3779b9;  // 2^32 over the golden ratio, odd

  std::uint32_t start(Size i) const { return low + std::uint32_t(i) * golden; }

  // An entry is kept if its hash is not below the threshold. The hash is Wellons' lowbias32
  // ("Prospecting for Hash Functions", 2018), with the other half of the key before its second
  // multiplication. W is std::uint32_t or a vector of them.
  template <class W>
  auto keeps(W hash) const {
    hash ^= hash >> 16;
    hash *= 0x7feb352du;
    hash ^= hash >> 15;
    hash += high;
    hash *= 0x846ca68bu;
    hash ^= hash >> 16;
    return hash >= threshold;
  }
};

// The index of each lane: 0, 1, 2, ...
template <class T>
inline Words<T> counting() {
  Words<T> lane;
  for (int i = 0; i < lanes<T>; ++i) lane[i] = std::uint32_t(i);
  return lane;
}

// Converts comparisons of words to a mask for vectors of T.
template <class T, class M>
inline Mask<Vector<T>> of_words(M truths) {
  return __builtin_convertvector(truths, Mask<Vector<T>>);
}

// x (n), the entries of a batch from number `first` -> out (n), overwritten; out may be x.
template <class T>
void dropout_forward(T* out, const T* x, std::uint64_t seed, std::uint64_t step, double p,
                     Size first, Size n) {
  const Dropping dropping(seed, step, p);
  const Vector<T> scale = splat(T(dropping.scale));
  const Words<T> lane = counting<T>() * Dropping::golden;
  for_each_vector<T>(n, [&](auto at) {
    const auto keeps = dropping.keeps(lane + dropping.start(first + at.i));
    at.store(out, of_words<T>(keeps) ? at.load(x) * scale : Vector<T>{});
  });
}
template <class T>
void dropout_forward_naive(T* out, const T* x, std::uint64_t seed, std::uint64_t step, double p,
                           Size first, Size n) {
  const Dropping dropping(seed, step, p);
  for (Size i = 0; i < n; ++i) {
    out[i] = dropping.keeps(dropping.start(first + i)) ? x[i] * T(dropping.scale) : T(0);
  }
}

// dout (n) -> dx (n), overwritten; dx may be dout. The slope is the factor of forward, so this is
// forward applied to dout.
template <class T>
void dropout_backward(T* dx, const T* dout, std::uint64_t seed, std::uint64_t step, double p,
                      Size first, Size n) {
  dropout_forward(dx, dout, seed, step, p, first, n);
}
template <class T>
void dropout_backward_naive(T* dx, const T* dout, std::uint64_t seed, std::uint64_t step, double p,
                            Size first, Size n) {
  dropout_forward_naive(dx, dout, seed, step, p, first, n);
}

}  // namespace
}  // namespace handnn
