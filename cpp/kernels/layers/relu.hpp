// ReLU: out = x, but 0 where x < 0
//
// The slope at exactly 0 is 1, and NaN passes through, because neither is < 0.
#pragma once

#include "../simd.hpp"

namespace handnn {
namespace {

template <class V>
inline V relu(V value, V x) {
  return x < constant<V>(0) ? constant<V>(0) : value;
}

// x (n) -> out (n), overwritten.
template <class T>
void relu_forward(T* out, const T* x, Size n) {
  for_each_vector<T>(n, [&](auto at) {
    const auto x_at = at.load(x);
    at.store(out, relu(x_at, x_at));
  });
}
template <class T>
void relu_forward_naive(T* out, const T* x, Size n) {
  for (Size i = 0; i < n; ++i) out[i] = relu(x[i], x[i]);
}

// dout (n), x (n) -> dx (n), overwritten: dout where the brick let x through.
template <class T>
void relu_backward(T* dx, const T* dout, const T* x, Size n) {
  for_each_vector<T>(n, [&](auto at) { at.store(dx, relu(at.load(dout), at.load(x))); });
}
template <class T>
void relu_backward_naive(T* dx, const T* dout, const T* x, Size n) {
  for (Size i = 0; i < n; ++i) dx[i] = relu(dout[i], x[i]);
}

}  // namespace
}  // namespace handnn
