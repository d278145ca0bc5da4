// Buffers of random numbers for the kernels, and the comparison of two results.
//
// Each buffer is its own allocation of exactly the right size, so that AddressSanitizer sees a
// kernel read or write past either end.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <random>

#include "kernels/dispatch.hpp"

namespace handnn {
namespace {

// The kernels to test.
template <class T>
const Kernels<T>& kernels() {
  return active_kernels<T>();
}

std::mt19937_64 random_bits(20221214);
long compared = 0, different = 0;

// `size` elements that start `offset` elements into an allocation and end with it.
template <class T>
class Buffer {
 public:
  explicit Buffer(Size size, Size offset = 0)
      : memory_(new T[size_t(size + offset)]), offset_(offset), size_(size) {}
  Buffer(const Buffer& other) : Buffer(other.size_, other.offset_) {
    if (size_) std::memcpy(data(), other.data(), size_t(size_) * sizeof(T));
  }
  T* data() const { return memory_.get() + offset_; }
  Size size() const { return size_; }

 private:
  std::unique_ptr<T[]> memory_;
  Size offset_, size_;
};

// Mostly ordinary numbers; if `special`, also denormal, huge and infinite numbers, NaN, and zeros
// of either sign.
template <class T>
Buffer<T> numbers(Size size, bool special = false) {
  using Limits = std::numeric_limits<T>;
  const T odd[] = {T(0),
                   -T(0),
                   Limits::infinity(),
                   -Limits::infinity(),
                   Limits::quiet_NaN(),
                   Limits::denorm_min(),
                   -Limits::denorm_min(),
                   Limits::max(),
                   Limits::lowest(),
                   Limits::min() / 4,
                   T(88.8),
                   T(-104)};
  std::normal_distribution<double> normal(0.0, special ? 40.0 : 1.0);
  Buffer<T> buffer(size, Size(random_bits() % 4));
  for (Size i = 0; i < size; ++i) {
    const bool is_odd = special && random_bits() % 4 == 0;
    buffer.data()[i] =
        is_odd ? odd[random_bits() % (sizeof odd / sizeof odd[0])] : T(normal(random_bits));
  }
  return buffer;
}

// Reports elements whose bits differ. Two NaNs are equal: the payload that an operation returns
// depends on the CPU.
template <class T>
void compare(const char* kernel, const char* array, const Buffer<T>& fast, const Buffer<T>& naive,
             Size N, Size I, Size O) {
  for (Size i = 0; i < fast.size(); ++i) {
    const T a = fast.data()[i], b = naive.data()[i];
    ++compared;
    if (std::memcmp(&a, &b, sizeof(T)) == 0 || (a != a && b != b)) continue;
    if (++different <= 20) {
      std::printf("%s<%s> N=%td I=%td O=%td: %s[%td] is %.17g, but its twin's is %.17g\n", kernel,
                  sizeof(T) == 4 ? "float" : "double", N, I, O, array, i, double(a), double(b));
    }
  }
}

}  // namespace
}  // namespace handnn
