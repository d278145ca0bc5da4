#pragma once

#include <cstddef>

namespace handnn {

// The letters of the sizes, in every kernel: N rows (samples), I inputs, O outputs, n elements in
// all.
using Size = std::ptrdiff_t;

// The rows or columns first ... last - 1: the part of an array that one thread computes.
struct Range {
  Size first, last;
};

}  // namespace handnn
