#pragma once

#include <cstddef>

namespace handnn {

// The letters of the sizes, in every kernel: N rows (samples), I inputs, O outputs, n elements in
// all.
using Size = std::ptrdiff_t;

}  // namespace handnn
