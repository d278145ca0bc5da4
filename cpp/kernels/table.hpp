// The list of kernels, one entry each. table.cpp compiles it once for every instruction set;
// dispatch.hpp chooses one table.
//
// A new kernel is an entry here and an #include in table.cpp.
#pragma once

#include "size.hpp"

namespace handnn {

// clang-format off
#define HANDNN_KERNELS(KERNEL) \
  KERNEL(void, affine_forward, (T* out, const T* x, const T* w, const T* b, T* scratch, \
                                Size N, Size I, Size O)) \
  KERNEL(void, affine_backward, (T* dx, T* dw, T* db, const T* dout, const T* x, const T* w, \
                                 T* scratch, Size N, Size I, Size O)) \
  KERNEL(void, matmul_tn, (T* dw, const T* x, const T* dout, T* scratch, Size N, Size I, Size O, \
                           Size x_row)) \
  KERNEL(void, matmul_nt, (T* dx, const T* dout, const T* w, T* scratch, Size N, Size I, Size O)) \
  KERNEL(void, column_sums, (T* db, const T* dout, Size N, Size O)) \
  KERNEL(void, relu_forward, (T* out, const T* x, Size n)) \
  KERNEL(void, relu_backward, (T* dx, const T* dout, const T* x, Size n)) \
  KERNEL(void, sigmoid_forward, (T* out, const T* x, Size n)) \
  KERNEL(void, sigmoid_backward, (T* dx, const T* dout, const T* out, Size n)) \
  KERNEL(double, mse_loss_forward, (const T* pre, const T* y_true, const T* weight, \
                                    Size N, Size O)) \
  KERNEL(void, mse_loss_backward, (T* dx, const T* pre, const T* y_true, const T* weight, T scale, \
                                   Size N, Size O)) \
  KERNEL(void, sgd_update, (T* param, T* velocity, const T* grad, T lr, T momentum, \
                            T weight_decay, bool nesterov, Size n)) \
  KERNEL(double, fma_chains, (T* sink, Size turns))
// clang-format on

template <class T>
struct Kernels {
  Size scratch_size;  // how many elements `scratch` needs
#define HANDNN_MEMBER(result, name, arguments) result(*name) arguments;
  HANDNN_KERNELS(HANDNN_MEMBER)
#undef HANDNN_MEMBER
};

struct KernelTable {
  Kernels<float> float32;
  Kernels<double> float64;
};

}  // namespace handnn
