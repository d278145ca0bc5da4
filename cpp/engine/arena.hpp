// One block of memory for all intermediate arrays of a program, allocated before its first step.
#pragma once

#include <cstddef>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

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
    align_ = used_ < 2 * huge_page ? line : huge_page;
    memory_ = static_cast<std::byte*>(::operator new(used_ + line, std::align_val_t(align_)));
#if defined(MADV_HUGEPAGE)
    // A hint: fewer pages take less time to map, and less to find for rows that are far apart.
    if (align_ == huge_page) madvise(memory_, used_ / huge_page * huge_page, MADV_HUGEPAGE);
#endif
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
  static constexpr std::size_t line = 64, huge_page = std::size_t(1) << 21;
  static constexpr std::size_t max_bytes = std::size_t(1) << 62;

  void release() {
    if (memory_) ::operator delete(memory_, std::align_val_t(align_));
  }

  std::byte* memory_ = nullptr;
  std::size_t used_ = 0, align_ = line;
};

}  // namespace handnn
