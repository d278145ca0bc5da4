// What the bricks that work entry by entry share. Such a brick is a formula:
//
//   struct Formula {
//     template <class V> static V forward(V x, V setting);               -> out
//     template <class V> static V backward(V dout, V kept, V setting);   -> dx; kept is x or out
//   };
//
// written once for vectors and single numbers, so that the kernel and its naive twin are one text.
// `setting` is the brick's only number, such as LeakyReLU's slope; most have none.
#pragma once

#include "each_vector.hpp"

namespace handnn {
namespace {

// x (n) -> out (n), overwritten.
template <class Formula, class T>
void elementwise_forward(T* out, const T* x, T setting, Size n) {
  for_each_vector<T>(n,
                     [&](auto at) { at.store(out, Formula::forward(at.load(x), splat(setting))); });
}
template <class Formula, class T>
void elementwise_forward_naive(T* out, const T* x, T setting, Size n) {
  for (Size i = 0; i < n; ++i) out[i] = Formula::forward(x[i], setting);
}

// dout (n), kept (n) -> dx (n), overwritten; dx may be dout.
template <class Formula, class T>
void elementwise_backward(T* dx, const T* dout, const T* kept, T setting, Size n) {
  for_each_vector<T>(n, [&](auto at) {
    at.store(dx, Formula::backward(at.load(dout), at.load(kept), splat(setting)));
  });
}
template <class Formula, class T>
void elementwise_backward_naive(T* dx, const T* dout, const T* kept, T setting, Size n) {
  for (Size i = 0; i < n; ++i) dx[i] = Formula::backward(dout[i], kept[i], setting);
}

}  // namespace
}  // namespace handnn
