// A ReLU between two affines. The first one computes its forward pass, the second one its backward
// pass, and of its input only the signs are kept:
//
//   forward    out = relu(x . w + b)
//   backward   dx = 0 where the input of the ReLU was < 0, and dout . w^T elsewhere
#pragma once

#include "layers/affine.hpp"
#include "matmul.hpp"

namespace handnn {
namespace {

// x (N, I), w (I, O), b (O) -> out (N, O), overwritten, and the signs of the ReLU's input. scratch
// (matmul_scratch).
template <class T>
void affine_relu_forward(ReLUOutput<T> to, const T* x, const T* w, const T* b, T* scratch, Size N,
                         Size I, Size O) {
  matmul<T>({to.out, O, to.negative}, x, w, b, scratch, N, I, O);
}
// pre (N, O) is the ReLU's input.
template <class T>
void affine_relu_forward_naive(T* out, T* pre, const T* x, const T* w, const T* b, Size N, Size I,
                               Size O) {
  affine_forward_naive(pre, x, w, b, N, I, O);
  elementwise_forward_naive<ReLU>(out, pre, T(0), N * O);
}

// dout (N, O), w (I, O) and the signs of the ReLU's input (N, I) -> dx (N, I), overwritten. scratch
// likewise.
template <class T>
void relu_affine_dx(T* dx, const T* dout, const T* w, const Signs* negative, T* scratch, Size N,
                    Size I, Size O) {
  matmul_nt<T>({dx, I, nullptr, negative}, dout, w, scratch, N, I, O);
}
template <class T>
void relu_affine_dx_naive(T* dx, const T* dout, const T* w, const T* pre, Size N, Size I, Size O) {
  matmul_nt_naive(dx, dout, w, N, I, O);
  elementwise_backward_naive<ReLU>(dx, dx, pre, T(0), N * I);
}

}  // namespace
}  // namespace handnn
