// One block of memory for all intermediate arrays of a program, allocated before its first step.
#pragma once

#include <cstddef>
#include <new>

#include "kernels/size.hpp"

namespace handnn {

// The caller takes all arrays twice in the same order: the first pass measures, and after commit
// the second pass returns memory.
class Arena {
 public:
  Arena() = default;
  ~Arena() { release(); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Allocates memory for the arrays taken so far, and rewinds to the first.
  void commit() {
    release();
    memory_ = static_cast<std::byte*>(::operator new(used_ + line, std::align_val_t(line)));
    used_ = 0;
  }

  // rows * columns uninitialized elements that share no cache line with others; null while
  // measuring. Throws std::bad_array_new_length if no memory holds them.
  template <class T>
  T* take(Size rows, Size columns = 1) {
    std::byte* place = memory_ ? memory_ + used_ : nullptr;
    std::size_t bytes = 0, end = 0;
    if (__builtin_mul_overflow(rows, columns, &bytes) ||
        __builtin_mul_overflow(bytes, sizeof(T), &bytes) ||
        __builtin_add_overflow(used_, bytes, &end) || end > max_bytes) {
      throw std::bad_array_new_length();
    }
    used_ = (end + line - 1) / line * line;
    return reinterpret_cast<T*>(place);
  }

 private:
  static constexpr std::size_t line = 64;
  static constexpr std::size_t max_bytes = std::size_t(1) << 62;

  void release() {
    if (memory_) ::operator delete(memory_, std::align_val_t(line));
  }

  std::byte* memory_ = nullptr;
  std::size_t used_ = 0;
};

}  // namespace handnn
