// The thread pool.
//
// A part of the work is a range of an output, never a part of a sum, so the bits do not depend on
// the number of threads.
#pragma once

#include "kernels/size.hpp"

namespace handnn {

// Calls f(part) once for each part = 0 ... parts - 1, on the pool's threads and the calling one,
// and returns when all are done. Rethrows an exception of one of them. If the pool is busy with
// another caller's work or has only one thread, the calling thread does all parts.
template <class F>
void run_parts(int parts, F f);

// The number of threads, including the calling one. The default is HANDNN_NUM_THREADS, else the
// number of CPUs that this process may use.
int num_threads();

// At least 1. The threads start with the next work that needs them.
void set_num_threads(int threads);

// The range [first, last) of `count` elements that belongs to part `part` of `parts`; ranges begin
// at multiples of `grain`.
inline Range share_of(Size count, int part, int parts, Size grain = 1) {
  if (parts == 1) return {0, count};
  const Size grains = (count + grain - 1) / grain;
  const auto bound = [&](Size p) {
    const Size end = (grains / parts * p + grains % parts * p / parts) * grain;
    return end < count ? end : count;
  };
  return {bound(part), bound(part + 1)};
}

namespace detail {
void run_parts(int parts, void (*call)(void*, int), void* context);
}

template <class F>
void run_parts(int parts, F f) {
  if (parts == 1) return f(0);
  detail::run_parts(parts, [](void* context, int part) { (*static_cast<F*>(context))(part); }, &f);
}

// Calls f(part, range) for each part's range of `count` rows or columns, unless it is empty.
template <class F>
void for_ranges(Size count, Size grain, int parts, F f) {
  run_parts(parts, [&](int part) {
    const Range range = share_of(count, part, parts, grain);
    if (range.first < range.last) f(part, range);
  });
}

}  // namespace handnn
