// The kernels of Softmax, LayerNorm and BatchNorm against their naive twins.
#pragma once

#include <cmath>

#include "buffers.hpp"
#include "kernels/layers/batch_norm.hpp"
#include "kernels/layers/layer_norm.hpp"
#include "kernels/layers/softmax.hpp"

namespace handnn {
namespace {

template <class T>
void test_softmax(const Buffer<T>& x, const Buffer<T>& dout, Size N, Size O) {
  const Buffer<T> out(N * O), out_naive(N * O), dx(N * O), dx_naive(N * O), in_place(dout);
  kernels<T>().softmax_forward(out.data(), x.data(), N, O);
  softmax_forward_naive(out_naive.data(), x.data(), N, O);
  compare("softmax_forward", "out", out, out_naive, N, 1, O);
  kernels<T>().softmax_backward(dx.data(), dout.data(), x.data(), N, O);
  softmax_backward_naive(dx_naive.data(), dout.data(), x.data(), N, O);
  kernels<T>().softmax_backward(in_place.data(), in_place.data(), x.data(), N, O);
  compare("softmax_backward", "dx", dx, dx_naive, N, 1, O);
  compare("softmax_backward in place", "dx", in_place, dx_naive, N, 1, O);
}

template <class T>
void test_layer_norm(const Buffer<T>& x, const Buffer<T>& dout, const Buffer<T>& gamma, Size N,
                     Size O) {
  const Buffer<T> beta = numbers<T>(O), out(N * O), out_naive(N * O), mean(N), mean_naive(N),
                  rstd(N), rstd_naive(N);
  const NormParams<T> params = {gamma.data(), beta.data(), T(1e-5)};
  kernels<T>().layer_norm_forward(out.data(), mean.data(), rstd.data(), x.data(), params, N, O);
  layer_norm_forward_naive(out_naive.data(), mean_naive.data(), rstd_naive.data(), x.data(), params,
                           N, O);
  compare("layer_norm_forward", "out", out, out_naive, N, 1, O);
  compare("layer_norm_forward", "mean", mean, mean_naive, N, 1, O);
  compare("layer_norm_forward", "rstd", rstd, rstd_naive, N, 1, O);

  const Buffer<T> dx(N * O), dx_naive(N * O), in_place(dout), dgamma(O), dgamma_naive(O), dbeta(O),
      dbeta_naive(O);
  kernels<T>().layer_norm_dx(dx.data(), dout.data(), x.data(), gamma.data(), mean.data(),
                             rstd.data(), N, O);
  kernels<T>().layer_norm_dx(in_place.data(), in_place.data(), x.data(), gamma.data(), mean.data(),
                             rstd.data(), N, O);
  layer_norm_dx_naive(dx_naive.data(), dout.data(), x.data(), gamma.data(), mean.data(),
                      rstd.data(), N, O);
  compare("layer_norm_dx", "dx", dx, dx_naive, N, 1, O);
  compare("layer_norm_dx in place", "dx", in_place, dx_naive, N, 1, O);
  layer_norm_dparams_naive({dgamma_naive.data(), dbeta_naive.data()}, dout.data(), x.data(),
                           mean.data(), rstd.data(), N, O, {0, O});
  const Size cut = Size(random_bits() % std::uint64_t(O + 1));  // the columns of two threads
  for (const Range columns : {Range{0, cut}, {cut, O}}) {
    kernels<T>().layer_norm_dparams({dgamma.data(), dbeta.data()}, dout.data(), x.data(),
                                    mean.data(), rstd.data(), N, O, columns);
  }
  compare("layer_norm_dparams", "dgamma", dgamma, dgamma_naive, N, 1, O);
  compare("layer_norm_dparams", "dbeta", dbeta, dbeta_naive, N, 1, O);
}

template <class T>
void test_batch_norm(const Buffer<T>& x, const Buffer<T>& dout, const Buffer<T>& gamma, Size N,
                     Size O) {
  const T momentum = T(0.1);
  const Buffer<T> beta = numbers<T>(O), out(N * O), out_naive(N * O), mean(O), mean_naive(O),
                  var(O), var_naive(O), kept_mean = numbers<T>(O), kept_var = numbers<T>(O);
  const Buffer<T> kept_mean_naive(kept_mean), kept_var_naive(kept_var);
  const Size cut = Size(random_bits() % std::uint64_t(O + 1));  // the columns of two threads
  const Range parts[] = {{0, cut}, {cut, O}};
  ColumnNorm<T> norm = {{gamma.data(), beta.data(), T(1e-5)}, mean.data(), var.data()};
  for (const Range columns : parts) {
    kernels<T>().batch_norm_statistics(mean.data(), var.data(), x.data(), N, O, columns);
    kernels<T>().batch_norm_update(kept_mean.data(), kept_var.data(), mean.data(), var.data(),
                                   momentum, N, columns);
    kernels<T>().batch_norm_forward(out.data(), x.data(), norm, N, O, columns);
  }
  batch_norm_statistics_naive(mean_naive.data(), var_naive.data(), x.data(), N, O, {0, O});
  compare("batch_norm_statistics", "mean", mean, mean_naive, N, 1, O);
  compare("batch_norm_statistics", "var", var, var_naive, N, 1, O);
  batch_norm_update_naive(kept_mean_naive.data(), kept_var_naive.data(), mean.data(), var.data(),
                          momentum, N, {0, O});
  compare("batch_norm_update", "running_mean", kept_mean, kept_mean_naive, N, 1, O);
  compare("batch_norm_update", "running_var", kept_var, kept_var_naive, N, 1, O);
  batch_norm_forward_naive(out_naive.data(), x.data(), norm, N, O, {0, O});
  compare("batch_norm_forward", "out", out, out_naive, N, 1, O);

  for (const bool training : {true, false}) {
    const Buffer<T> dx(N * O), dx_naive(N * O), in_place(dout), dgamma(O), dgamma_naive(O),
        dbeta(O), dbeta_naive(O);
    norm.training = training;
    batch_norm_backward_naive(dx_naive.data(), {dgamma_naive.data(), dbeta_naive.data()},
                              dout.data(), x.data(), norm, N, O, {0, O});
    const auto backward = [&](T* to, const T* from) {
      for (const Range columns : parts) {
        kernels<T>().batch_norm_backward(to, {dgamma.data(), dbeta.data()}, from, x.data(), norm, N,
                                         O, columns);
      }
      compare("batch_norm_backward", "dgamma", dgamma, dgamma_naive, N, 1, O);
      compare("batch_norm_backward", "dbeta", dbeta, dbeta_naive, N, 1, O);
    };
    backward(dx.data(), dout.data());
    compare("batch_norm_backward", "dx", dx, dx_naive, N, 1, O);
    backward(nullptr, dout.data());
    backward(in_place.data(), in_place.data());
    compare("batch_norm_backward in place", "dx", in_place, dx_naive, N, 1, O);
  }
}

// A batch cut into two slices: merged statistics, and dx from the sums of both.
template <class T>
void test_slices_of_batch_norm(const Buffer<T>& x, const Buffer<T>& dout, const Buffer<T>& gamma,
                               Size N, Size O) {
  const Size first = Size(random_bits() % std::uint64_t(N + 1)), rest = N - first;
  if (first == 0 || rest == 0) return;
  const Size cut = Size(random_bits() % std::uint64_t(O + 1));
  const Range parts[] = {{0, cut}, {cut, O}};
  const Buffer<T> mean(O), var(O), more_mean(O), more_var(O);
  batch_norm_statistics_naive(mean.data(), var.data(), x.data(), first, O, {0, O});
  batch_norm_statistics_naive(more_mean.data(), more_var.data(), x.data() + first * O, rest, O,
                              {0, O});
  const Buffer<T> mean_naive(mean), var_naive(var);
  const T share = T(rest) / T(N);
  for (const Range columns : parts) {
    kernels<T>().batch_norm_merge(mean.data(), var.data(), more_mean.data(), more_var.data(), share,
                                  columns);
  }
  batch_norm_merge_naive(mean_naive.data(), var_naive.data(), more_mean.data(), more_var.data(),
                         share, {0, O});
  compare("batch_norm_merge", "mean", mean, mean_naive, N, 1, O);
  compare("batch_norm_merge", "var", var, var_naive, N, 1, O);

  const Buffer<T> dgamma = numbers<T>(O), dbeta = numbers<T>(O), dx(N * O), dx_naive(N * O);
  const ColumnNorm<T> norm = {
      {gamma.data(), nullptr, T(1e-5)}, mean.data(), var.data(), random_bits() % 4 > 0};
  const BatchGrads<T> grads = {dgamma.data(), dbeta.data(), 3 * N};
  for (const Range columns : parts) {
    kernels<T>().batch_norm_dx(dx.data(), dout.data(), x.data(), norm, grads, N, O, columns);
  }
  batch_norm_dx_naive(dx_naive.data(), dout.data(), x.data(), norm, grads, N, O, {0, O});
  compare("batch_norm_dx", "dx", dx, dx_naive, N, 1, O);
}

// More rows than a block has, so that the statistics of two blocks are merged.
template <class T>
void test_statistics_of_blocks() {
  const Size N = rows_of_block + 3, O = 67;
  const Buffer<T> x = numbers<T>(N * O), mean(O), var(O), mean_naive(O), var_naive(O);
  kernels<T>().batch_norm_statistics(mean.data(), var.data(), x.data(), N, O, {0, O});
  batch_norm_statistics_naive(mean_naive.data(), var_naive.data(), x.data(), N, O, {0, O});
  compare("batch_norm_statistics, blocks", "mean", mean, mean_naive, N, 1, O);
  compare("batch_norm_statistics, blocks", "var", var, var_naive, N, 1, O);
}

template <class T>
void test_norms(Size N, Size O) {
  for (const bool special : {false, true}) {
    const Buffer<T> x = numbers<T>(N * O, special), dout = numbers<T>(N * O, special),
                    gamma = numbers<T>(O);
    test_softmax(x, dout, N, O);
    test_layer_norm(x, dout, gamma, N, O);
    test_batch_norm(x, dout, gamma, N, O);
    test_slices_of_batch_norm(x, dout, gamma, N, O);
  }
}

}  // namespace
}  // namespace handnn
