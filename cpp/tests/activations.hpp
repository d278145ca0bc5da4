// The kernels of activations against their naive twins.
#pragma once

#include "buffers.hpp"
#include "kernels/bricks.hpp"

namespace handnn {
namespace {

template <class Formula, class T>
void test_activation(int which, T setting, Size n) {
  const char* name = activation_facts[which].name;
  const ActivationKernels<T>& kernels = handnn::kernels<T>().activations[which];
  const Buffer<T> x = numbers<T>(n, true), dout = numbers<T>(n, true);
  const Buffer<T> fast(n), naive(n);
  kernels.forward(fast.data(), x.data(), setting, n);
  elementwise_forward_naive<Formula>(naive.data(), x.data(), setting, n);
  compare(name, "out", fast, naive, n, 1, 1);
  const Buffer<T> in_place(x);
  kernels.forward(in_place.data(), in_place.data(), setting, n);
  compare(name, "out, which was x", in_place, naive, n, 1, 1);
  kernels.backward(fast.data(), dout.data(), x.data(), setting, n);
  elementwise_backward_naive<Formula>(naive.data(), dout.data(), x.data(), setting, n);
  compare(name, "dx", fast, naive, n, 1, 1);
  if (!kernels.out_and_slope) return;
  const Buffer<T> out(n), slope(x);
  kernels.out_and_slope(out.data(), slope.data(), slope.data(), setting, n);
  handnn::kernels<T>().multiply(slope.data(), dout.data(), slope.data(), n);
  compare(name, "dx from the slope, which was x", slope, naive, n, 1, 1);
  elementwise_forward_naive<Formula>(naive.data(), x.data(), setting, n);
  compare(name, "out, with the slope", out, naive, n, 1, 1);
}

template <class T>
void test_activations(Size n) {
  int which = 0;
#define HANDNN_TEST(name, Formula, ...) test_activation<Formula, T>(which++, T(0.3), n);
  HANDNN_ACTIVATIONS(HANDNN_TEST)
#undef HANDNN_TEST
}

}  // namespace
}  // namespace handnn
