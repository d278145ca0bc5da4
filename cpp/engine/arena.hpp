// One block of memory for everything a run needs, taken before its first step.
#pragma once

#include <cstddef>
#include <new>

#include "kernels/size.hpp"

namespace handnn {

// Used twice: once with no memory, to measure, then again to hand out what was measured.
class Arena {
 public:
  Arena() = default;
  ~Arena() { release(); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Takes the memory for all that was asked for so far, and starts handing out anew.
  void commit() {
    release();
    memory_ = static_cast<std::byte*>(::operator new(used_ + line, std::align_val_t(line)));
    used_ = 0;
  }

  // `count` elements on cache lines of their own; null while measuring. Not initialised.
  template <class T>
  T* take(Size count) {
    std::byte* place = memory_ ? memory_ + used_ : nullptr;
    used_ += (std::size_t(count) * sizeof(T) + line - 1) / line * line;
    return reinterpret_cast<T*>(place);
  }

 private:
  static constexpr std::size_t line = 64;

  void release() {
    if (memory_) ::operator delete(memory_, std::align_val_t(line));
  }

  std::byte* memory_ = nullptr;
  std::size_t used_ = 0;
};

}  // namespace handnn
