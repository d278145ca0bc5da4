// The order of the rows in an epoch: a random permutation, or a draw with replacement. It depends
// on (seed, epoch, count) only.
#pragma once

#include <cstdint>
#include <utility>

#include "kernels/size.hpp"

namespace handnn {

// SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).
class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t state) : state_(state) {}

  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  // Uniform in 0 ... bound - 1, for bound below 2^32 without bias (Lemire, "Fast Random Integer
  // Generation in an Interval", ACM TOMACS 29(1), 2019, algorithm 5); above it the bias is below
  // 2^-32.
  std::uint64_t below(std::uint64_t bound) {
    if (bound >> 32) return next() % bound;
    std::uint64_t product = (next() >> 32) * bound;
    if (std::uint32_t(product) < bound) {
      const std::uint32_t threshold = -std::uint32_t(bound) % std::uint32_t(bound);
      while (std::uint32_t(product) < threshold) product = (next() >> 32) * bound;
    }
    return product >> 32;
  }

 private:
  std::uint64_t state_;
};

inline SplitMix64 random_of_epoch(std::uint64_t seed, std::uint64_t epoch) {
  return SplitMix64(SplitMix64(seed).next() + SplitMix64(~epoch).next());
}

// order (drawn) = independent uniform numbers from 0 to count - 1.
inline void draw_rows(Size* order, Size drawn, Size count, std::uint64_t seed,
                      std::uint64_t epoch) {
  SplitMix64 random = random_of_epoch(seed, epoch);
  for (Size i = 0; i < drawn; ++i) order[i] = Size(random.below(std::uint64_t(count)));
}

// order (count) = a uniform permutation of 0 ... count - 1 (Fisher-Yates; Knuth, TAOCP 3.4.2 P).
inline void shuffle_rows(Size* order, Size count, std::uint64_t seed, std::uint64_t epoch) {
  SplitMix64 random = random_of_epoch(seed, epoch);
  for (Size i = 0; i < count; ++i) order[i] = i;
  for (Size i = count - 1; i > 0; --i) {
    std::swap(order[i], order[Size(random.below(std::uint64_t(i) + 1))]);
  }
}

}  // namespace handnn
