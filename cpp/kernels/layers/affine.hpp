// Affine: out = x . w + b
#pragma once

#include "../arguments.hpp"
#include "../matmul.hpp"
#include "../small_gradients.hpp"

namespace handnn {
namespace {

// x (N, I), w (I, O), b (O) -> out (N, O), overwritten. scratch (matmul_scratch).
template <class T>
void affine_forward(T* out, const T* x, const T* w, const T* b, T* scratch, Size N, Size I,
                    Size O) {
  matmul<T>({out, O}, x, w, b, scratch, N, I, O);
}
template <class T>
void affine_forward_naive(T* out, const T* x, const T* w, const T* b, Size N, Size I, Size O) {
  matmul_naive(out, x, w, b, N, I, O);
}

// dout (N, O), x (N, I) -> dw (I, O), db (O), overwritten. scratch likewise.
//   dw = x^T . dout      db = sum over n of dout
template <class T>
void affine_dparams(T* dw, T* db, const T* dout, const T* x, T* scratch, Size N, Size I, Size O) {
  if (small_gradients(dw, db, x, dout, N, I, O)) return;
  matmul_tn(dw, x, dout, scratch, N, I, O, {I});
  column_sums(db, dout, N, O, false);
}
template <class T>
void affine_dparams_naive(T* dw, T* db, const T* dout, const T* x, Size N, Size I, Size O) {
  matmul_tn_naive(dw, x, dout, N, I, O);
  column_sums_naive(db, dout, N, O);
}

// dout (N, O), x (N, I), w (I, O) -> the grads, with dx = dout . w^T. scratch likewise.
template <class T>
void affine_backward(AffineGrads<T> grads, const T* dout, const T* x, const T* w, T* scratch,
                     Size N, Size I, Size O) {
  matmul_nt(grads.dx, dout, w, scratch, N, I, O);
  affine_dparams(grads.dw, grads.db, dout, x, scratch, N, I, O);
}
template <class T>
void affine_backward_naive(AffineGrads<T> grads, const T* dout, const T* x, const T* w, Size N,
                           Size I, Size O) {
  matmul_nt_naive(grads.dx, dout, w, N, I, O);
  affine_dparams_naive(grads.dw, grads.db, dout, x, N, I, O);
}

}  // namespace
}  // namespace handnn
