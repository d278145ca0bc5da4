// The threads that share one step's work.
//
// A part of the work is a range of an output, never a part of a sum: so the bits do not depend on
// how many threads there are.
#pragma once

#include "kernels/size.hpp"

namespace handnn {

// Does f(part) for part = 0 ... parts - 1, each once, on the pool's threads and the calling one,
// and returns when all are done. An exception from any of them is thrown here. Where the pool is
// busy with another caller's work, or has one thread only, the calling thread does all parts.
template <class F>
void run_parts(int parts, F f);

// How many threads there are to work, the calling one included. At first HANDNN_NUM_THREADS, or as
// many as this process may use CPUs.
int num_threads();

// 1 or more; the threads themselves start with the next work that needs them.
void set_num_threads(int threads);

// The share of `part` of `parts` in `count` elements, in whole multiples of `grain`: [first, last).
struct Share {
  Size first, last;
};
inline Share share_of(Size count, int part, int parts, Size grain = 1) {
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

}  // namespace handnn
