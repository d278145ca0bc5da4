// The kernels of a ReLU between two affines against their naive twins.
#pragma once

#include "buffers.hpp"
#include "kernels/affine_relu.hpp"
#include "kernels/dispatch.hpp"

namespace handnn {
namespace {

// N rows of I, O and P columns. Some of the ReLU's inputs are zeros of either sign or not finite.
template <class T>
void test_affine_relu(Size N, Size I, Size O, Size P) {
  const Buffer<T> x = numbers<T>(N * I), w = numbers<T>(I * O), b = numbers<T>(O, true),
                  dout = numbers<T>(N * P), w_next = numbers<T>(O * P);
  for (Size n = 0; n < N; n += 3) {
    for (Size i = 0; i < I; ++i) x.data()[n * I + i] = 0;
  }
  const Buffer<T> scratch(kernels<T>().scratch_size);
  const Buffer<T> out(N * O), out_naive(N * O), pre(N * O), dx(N * O), dx_naive(N * O);
  const Buffer<Signs> negative(N * sign_words(O));
  kernels<T>().affine_relu_forward({out.data(), negative.data()}, x.data(), w.data(), b.data(),
                                   scratch.data(), N, I, O);
  affine_relu_forward_naive(out_naive.data(), pre.data(), x.data(), w.data(), b.data(), N, I, O);
  compare("affine_relu_forward", "out", out, out_naive, N, I, O);
  kernels<T>().relu_affine_dx(dx.data(), dout.data(), w_next.data(), negative.data(),
                              scratch.data(), N, O, P);
  relu_affine_dx_naive(dx_naive.data(), dout.data(), w_next.data(), pre.data(), N, O, P);
  compare("relu_affine_dx", "dx", dx, dx_naive, N, O, P);
}

// Every size up to 80 around the edges of tiles and vectors, or some of them, and wide layers.
template <class T>
void test_affine_relus(Size step) {
  const auto some = [](Size most) { return Size(1 + random_bits() % size_t(most)); };
  for (Size size = 0; size <= 80; size += step) {
    test_affine_relu<T>(size, some(40), some(150), some(20));
    test_affine_relu<T>(some(100), size, some(150), some(4));
    test_affine_relu<T>(some(60), some(4), 2 * size, size);
  }
  const Size sizes[][4] = {{200, 20, 520, 1}, {40, 9, 512, 2},    {70, 520, 300, 40},
                           {7, 70, 1030, 65}, {64, 1100, 130, 3}, {150, 30, 256, 130}};
  for (const auto& [N, I, O, P] : sizes) test_affine_relu<T>(N, I, O, P);
}

}  // namespace
}  // namespace handnn
