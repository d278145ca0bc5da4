// Softmax: out_o = exp(x_o - m) / S, with m the largest x of the row and S = sum_o exp(x_o - m)
#pragma once

#include "../exp_sum.hpp"

namespace handnn {
namespace {

template <class Exp, class T>
void softmax_forward_with(Exp exp_sum, T* out, const T* x, Size N, Size O) {
  for (Size n = 0; O > 0 && n < N; ++n, out += O, x += O) {
    const T sum = exp_sum(out, true, x, O).sum;
    for (Size o = 0; o < O; ++o) out[o] /= sum;
  }
}
// x (N, O) -> out (N, O), overwritten.
template <class T>
void softmax_forward(T* out, const T* x, Size N, Size O) {
  softmax_forward_with(exp_sum<T>, out, x, N, O);
}
template <class T>
void softmax_forward_naive(T* out, const T* x, Size N, Size O) {
  softmax_forward_with(exp_sum_naive<T>, out, x, N, O);
}

// dout (N, O), out (N, O) -> dx (N, O), overwritten, out (dout - sum_o dout out); dx may be dout.
// A plain loop, and so its own naive twin.
template <class T>
void softmax_backward(T* dx, const T* dout, const T* out, Size N, Size O) {
  for (Size n = 0; n < N; ++n, dx += O, dout += O, out += O) {
    const T sum = sum_in_order<T>(O, [&](Size o) { return dout[o] * out[o]; });
    for (Size o = 0; o < O; ++o) dx[o] = out[o] * (dout[o] - sum);
  }
}

}  // namespace
}  // namespace handnn
