// Every kernel of the active table gives the bits of its naive twin: both dtypes, sizes around all
// edges of tiles and vectors, any offset.
//
//   twins_v3          all sizes
//   twins_v3 --few    every third size, for sanitizers and an emulated CPU
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "activations.hpp"
#include "affine_relu.hpp"
#include "buffers.hpp"
#include "first_layers.hpp"
#include "kernels/bricks.hpp"
#include "kernels/dispatch.hpp"
#include "kernels/largest.hpp"
#include "kernels/layers/affine.hpp"
#include "kernels/layers/dropout.hpp"
#include "kernels/layers/residual.hpp"
#include "norms.hpp"
#include "optimizers.hpp"
#include "run.hpp"

namespace handnn {
namespace {

template <class T>
void test_affine(Size N, Size I, Size O) {
  const Buffer<T> x = numbers<T>(N * I), w = numbers<T>(I * O), b = numbers<T>(O),
                  dout = numbers<T>(N * O);
  const Buffer<T> scratch(kernels<T>().scratch_size);
  const Buffer<T> out(N * O), out_naive(N * O);
  kernels<T>().affine_forward(out.data(), x.data(), w.data(), b.data(), scratch.data(), N, I, O);
  affine_forward_naive(out_naive.data(), x.data(), w.data(), b.data(), N, I, O);
  compare("affine_forward", "out", out, out_naive, N, I, O);

  const Buffer<T> dx(N * I), dw(I * O), db(O), dx_naive(N * I), dw_naive(I * O), db_naive(O);
  kernels<T>().affine_backward({dx.data(), dw.data(), db.data()}, dout.data(), x.data(), w.data(),
                               scratch.data(), N, I, O);
  affine_backward_naive({dx_naive.data(), dw_naive.data(), db_naive.data()}, dout.data(), x.data(),
                        w.data(), N, I, O);
  compare("affine_backward", "dx", dx, dx_naive, N, I, O);
  compare("affine_backward", "dw", dw, dw_naive, N, I, O);
  compare("affine_backward", "db", db, db_naive, N, I, O);

  const Buffer<T> dw_only(I * O), db_only(O);
  kernels<T>().affine_dparams(dw_only.data(), db_only.data(), dout.data(), x.data(), scratch.data(),
                              N, I, O);
  compare("affine_dparams", "dw", dw_only, dw_naive, N, I, O);
  compare("affine_dparams", "db", db_only, db_naive, N, I, O);
}

// The first `half` rows and the others; the second part continues the sums of the first.
template <class T>
void test_gradients_in_parts(Size N, Size I, Size O, Size half) {
  const Buffer<T> x = numbers<T>(N * I), dout = numbers<T>(N * O);
  const Buffer<T> scratch(kernels<T>().scratch_size);
  const Buffer<T> dw(I * O), db(O), dw_naive(I * O), db_naive(O);
  const auto add = [&](Size first, Size rows, bool adds) {
    kernels<T>().matmul_tn(dw.data(), x.data() + first * I, dout.data() + first * O, scratch.data(),
                           rows, I, O, {I, adds});
    kernels<T>().column_sums(db.data(), dout.data() + first * O, rows, O, adds);
  };
  add(0, half, false);
  add(half, N - half, true);
  matmul_tn_naive(dw_naive.data(), x.data(), dout.data(), N, I, O);
  column_sums_naive(db_naive.data(), dout.data(), N, O);
  compare("matmul_tn", "dw, in two parts", dw, dw_naive, N, I, O);
  compare("column_sums", "db, in two parts", db, db_naive, N, I, O);
}

template <class T>
void test_gradients_in_parts(Size N, Size I, Size O) {
  test_gradients_in_parts<T>(N, I, O, Size(random_bits() % (size_t(N) + 1)));
}

// Products of one and two steps of k with wide rows, those that are a power of 2 apart among them:
// forward with a bias, gradients from 0, and gradients that continue.
template <class T>
void test_few_steps(Size O) {
  const auto some = [] { return Size(1 + random_bits() % 40); };
  for (const Size K : {1, 2}) {
    test_affine<T>(some(), K, O);
    test_affine<T>(K, some(), O);
    test_affine<T>(some(), O, K);
    for (const Size before : {1, 2, 5}) test_gradients_in_parts<T>(before + K, some(), O, before);
  }
}

// Small affines have kernels of their own.
template <class T>
void test_small_affines() {
  for (Size few = 1; few <= 9; ++few) {
    for (Size many = 1; many <= 34; ++many) {
      const Size N = Size(random_bits() % 40);
      test_affine<T>(N, few, many);
      test_affine<T>(N, many, few);
    }
  }
}

template <class T>
void test_dropout(Size n) {
  const Buffer<T> x = numbers<T>(n, true);
  const std::uint64_t seed = random_bits(), step = random_bits() % 1000;
  const Size first = Size(random_bits() % 2 ? random_bits() >> 2 : 0);
  for (const double p : {0.0, 0.3, 1 - 0x1p-40}) {
    const Buffer<T> fast(n), naive(n), parts(n);
    kernels<T>().dropout_forward(fast.data(), x.data(), seed, step, p, first, n);
    dropout_forward_naive(naive.data(), x.data(), seed, step, p, first, n);
    compare("dropout_forward", "out", fast, naive, n, 1, 1);
    const Size half = Size(random_bits() % (size_t(n) + 1));
    kernels<T>().dropout_backward(parts.data(), x.data(), seed, step, p, first, half);
    kernels<T>().dropout_backward(parts.data() + half, x.data() + half, seed, step, p, first + half,
                                  n - half);
    dropout_backward_naive(naive.data(), x.data(), seed, step, p, first, n);
    compare("dropout_backward", "dx, in two parts", parts, naive, n, 1, 1);
  }
}

// Computes into a separate array and in place, and compares the bits.
template <class T>
void test_add(Size n) {
  const Buffer<T> a = numbers<T>(n, true), b = numbers<T>(n, true);
  const Buffer<T> out(n), in_a(a), in_b(b), naive(n);
  for (Size i = 0; i < n; ++i) naive.data()[i] = a.data()[i] + b.data()[i];
  kernels<T>().add(out.data(), a.data(), b.data(), n);
  kernels<T>().add(in_a.data(), in_a.data(), b.data(), n);
  kernels<T>().add(in_b.data(), a.data(), in_b.data(), n);
  compare("add", "out", out, naive, n, 1, 1);
  compare("add", "out, which was a", in_a, naive, n, 1, 1);
  compare("add", "out, which was b", in_b, naive, n, 1, 1);
}

// A loss on ordinary rows with `columns` targets each, with every kind of option.
template <class Loss, class T>
void test_loss(int which, LossOptions<T> with, const Buffer<T>& y_true, Size N, Size O) {
  const char* name = loss_facts[which].name;
  const LossKernels<T>& kernels = handnn::kernels<T>().losses[which];
  const Buffer<T> pre = numbers<T>(N * O), weight = numbers<T>(N);
  for (const T* w : {static_cast<const T*>(nullptr), static_cast<const T*>(weight.data())}) {
    const Buffer<double> fast(1), naive(1);
    *fast.data() = kernels.forward(pre.data(), y_true.data(), w, with, N, O);
    *naive.data() = Loss::forward_naive(pre.data(), y_true.data(), w, with, N, O);
    compare(name, "loss", fast, naive, N, 1, O);
    const Buffer<T> dx(N * O), dx_naive(N * O);
    kernels.backward(dx.data(), pre.data(), y_true.data(), w, with, T(0.3), N, O);
    Loss::backward_naive(dx_naive.data(), pre.data(), y_true.data(), w, with, T(0.3), N, O);
    compare(name, "dx", dx, dx_naive, N, 1, O);
    if (!kernels.add_and_backward) continue;
    const Buffer<double> sums(partial_sums);
    std::fill_n(sums.data(), partial_sums, 0.0);
    const Buffer<double> zeros = sums;
    const Size half = N / 2 / partial_sums * partial_sums;
    std::copy_n(pre.data(), N * O, dx.data());
    const T* const from = kernels.is_in_place ? dx.data() : pre.data();
    for (const auto& [first, last] : {Range{0, half}, Range{half, N}}) {
      kernels.add_and_backward({sums.data(), dx.data() + first * O}, from + first * O,
                               y_true.data() + first * with.columns, w ? w + first : nullptr, with,
                               T(0.3), last - first, O);
    }
    *fast.data() = kernels.mean(sums.data(), N, O);
    compare(name, "loss, in one pass", fast, naive, N, 1, O);
    compare(name, "sums after the mean", sums, zeros, 1, 1, partial_sums);
    compare(name, "dx, in one pass", dx, dx_naive, N, 1, O);
  }
}

// The options that a loss takes. `positive` (O) are quantiles or class weights.
template <class Loss, class T>
void test_options(int which, const Buffer<T>& y_true, const Buffer<T>& labels,
                  const Buffer<T>& positive, Size N, Size O) {
  const LossFacts& facts = loss_facts[which];
  if (facts.columns == Columns::one_a_number) {
    test_loss<Loss, T>(which, {0, positive.data(), O, 1}, labels, N, O);
  } else if (facts.columns == Columns::two) {
    test_loss<Loss, T>(which, {0, nullptr, 0, O}, y_true, N, 2 * O);
  } else if (facts.target != Target::classes) {
    test_loss<Loss, T>(which, {T(0.8), nullptr, 0, O}, y_true, N, O);
  } else {
    for (const T* weights :
         {static_cast<const T*>(nullptr), static_cast<const T*>(positive.data())}) {
      for (const T smoothing : {T(0), T(0.1)}) {
        test_loss<Loss, T>(which, {smoothing, weights, O, 1}, labels, N, O);
        test_loss<Loss, T>(which, {smoothing, weights, O, O}, y_true, N, O);
      }
    }
  }
}

template <class T>
void test_losses(Size N, Size O) {
  const Buffer<T> positive = numbers<T>(O);
  for (Size o = 0; o < O; ++o) positive.data()[o] = std::abs(positive.data()[o]);
  const Buffer<T> y_true = numbers<T>(N * O), labels(N);
  for (Size n = 0; n < N; ++n) labels.data()[n] = T(O > 0 ? random_bits() % std::size_t(O) : 0);
  int which = 0;
#define HANDNN_TEST(name, Loss, ...) test_options<Loss, T>(which++, y_true, labels, positive, N, O);
  HANDNN_LOSSES(HANDNN_TEST)
#undef HANDNN_TEST
}

template <class T>
void test_largest(Size N, Size O) {
  const Buffer<T> x = numbers<T>(N * O, true);
  const Buffer<Size> fast(N), naive(N);
  kernels<T>().largest_columns(fast.data(), x.data(), N, O);
  largest_columns_naive(naive.data(), x.data(), N, O);
  compare("largest_columns", "columns", fast, naive, N, O, 1);
}

// Larger than one packed block, rows a power of two apart, and random sizes.
template <class T>
void test_large_affines(bool few) {
  const Size sizes[][3] = {{300, 520, 35},  {35, 300, 520}, {520, 35, 300}, {45, 70, 1030},
                           {64, 1024, 70},  {300, 3, 1024}, {100, 784, 50}, {1100, 20, 200},
                           {20, 1100, 200}, {20, 200, 1100}};
  for (const auto& [N, I, O] : sizes) test_affine<T>(N, I, O);
  if (!few) {
    test_affine<T>(260, 512, 512);
    test_affine<T>(341, 391, 533);
    // A left factor larger than caches, read in blocks of rows: in x.w, then in dout.w^T.
    test_affine_relu<T>(3000, 380, 80, 3);
    test_affine<T>(3000, 80, 380);
  }
  for (int i = 0; i < (few ? 2 : 8); ++i) {
    const auto size = [] { return Size(1 + random_bits() % 260); };
    test_affine<T>(size(), size(), size());
  }
}

template <class T>
void test_all(bool few) {
  const Size step = few ? 3 : 1;  // odd, so that every remainder of a vector is tested
  for (Size n = 0; n <= 130; n += step) {
    test_activations<T>(n);
    test_updates<T>(n);
    test_dropout<T>(n);
    test_add<T>(n);
  }
  // Sizes with several groups of vectors, with and without a remainder.
  for (Size n : {255, 256, 257, 300, 511, 512, 513, 777}) test_activations<T>(n);
  test_statistics_of_blocks<T>();
  // Every size up to 130 in each dimension, with random sizes in the other two; then sizes
  // beyond one panel of k.
  for (Size size = 0; size <= 130; size += step) {
    const Size p = Size(random_bits() % 131), q = Size(random_bits() % 131);
    test_norms<T>(size, p);
    test_norms<T>(p, size);
    test_affine<T>(size, p, q);
    test_affine<T>(p, size, q);
    test_affine<T>(p, q, size);
    test_gradients_in_parts<T>(size, p, q);
    test_gradients_in_parts<T>(p, size, 1 + q % 20);
    test_gradients_in_parts<T>(p, q, size);
    // Few rows, columns or steps.
    test_affine<T>(size, q, 1 + p % 10);
    test_affine<T>(1 + p % 10, size, q);
    test_affine<T>(p, size, 1 + q % 10);
    test_affine<T>(1, 256 + size, 1 + p % 10);
    test_affine<T>(p % 40, size, 1);
    test_affine<T>(size, 28 + q, 1);
    test_binned_affine<T>(size, 1 + p % 20, q % 150);
    test_binned_affine<T>(p, 1 + size % 20, size % 40);
    test_embedding<T>(size, 1 + p % 20, q % 40);
    test_embedding<T>(p, 1 + size % 20, size % 40);
    test_losses<T>(size, p % 20);
    test_losses<T>(p % 20, size);
    test_updates_from_rows<T>(1 + p % 9, 1 + q % 13, size);
    test_updates_from_rows<T>(1, 1 + q % 5, size);
    test_updates_and_forward<T>(1 + p % 40, size);
    test_updates_from_rows<T>(1 + p % 9, size, 1 + q % 2);
    test_largest<T>(size, 1 + p);
    test_largest<T>(p, 1 + size);
  }
  for (const Size O : {16, 63, 64, 65, 127, 128, 130, 256, 257, 512, 777, 1024, 1280}) {
    test_few_steps<T>(O);
    test_updates_and_forward<T>(21, O);  // also rows that are a page apart
  }
  test_small_affines<T>();
  test_affine_relus<T>(step);
  test_large_affines<T>(few);
}

}  // namespace
}  // namespace handnn

int run(const char* isa, int argc, char** argv) {
  using namespace handnn;
  const bool few = argc > 1 && std::strcmp(argv[1], "--few") == 0;
  test_all<float>(few);
  test_all<double>(few);
  std::printf("%s: %ld elements compared, %ld differ\n", isa, compared, different);
  return different != 0;
}
