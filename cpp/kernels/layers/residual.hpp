// Residual: out = x + block(x)
#pragma once

#include "../size.hpp"

namespace handnn {
namespace {

// a (n), b (n) -> out (n) = a + b, overwritten; out may be a or b. Compilers vectorize this plain
// loop, so it is its own naive twin.
template <class T>
void add(T* out, const T* a, const T* b, Size n) {
  for (Size i = 0; i < n; ++i) out[i] = a[i] + b[i];
}

}  // namespace
}  // namespace handnn
