// Affine: out = x . w + b
#pragma once

#include "../arguments.hpp"
#include "../matmul.hpp"

namespace handnn {
namespace {

// x (N, I), w (I, O), b (O) -> out (N, O), overwritten. scratch (matmul_scratch).
template <class T>
void affine_forward(T* out, const T* x, const T* w, const T* b, T* scratch, Size N, Size I,
                    Size O) {
  matmul(out, x, w, b, scratch, N, I, O);
}
template <class T>
void affine_forward_naive(T* out, const T* x, const T* w, const T* b, Size N, Size I, Size O) {
  matmul_naive(out, x, w, b, N, I, O);
}

// dout (N, O), x (N, I), w (I, O) -> the grads. scratch likewise.
//   dx = dout . w^T      dw = x^T . dout      db = sum over n of dout
template <class T>
void affine_backward(AffineGrads<T> grads, const T* dout, const T* x, const T* w, T* scratch,
                     Size N, Size I, Size O) {
  matmul_nt(grads.dx, dout, w, scratch, N, I, O);
  matmul_tn(grads.dw, x, dout, scratch, N, I, O, {I});
  column_sums(grads.db, dout, N, O, false);
}
template <class T>
void affine_backward_naive(AffineGrads<T> grads, const T* dout, const T* x, const T* w, Size N,
                           Size I, Size O) {
  matmul_nt_naive(grads.dx, dout, w, N, I, O);
  matmul_tn_naive(grads.dw, x, dout, N, I, O);
  column_sums_naive(grads.db, dout, N, O);
}

}  // namespace
}  // namespace handnn
