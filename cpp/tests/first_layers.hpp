// The kernels of Embedding and BinnedAffine, the first layers of tables, against their naive twins.
#pragma once

#include <limits>
#include <vector>

#include "buffers.hpp"
#include "kernels/dispatch.hpp"
#include "kernels/layers/binned_affine.hpp"
#include "kernels/layers/embedding.hpp"

namespace handnn {
namespace {

template <class T>
void test_embedding(Size N, Size I, Size D) {
  const Size K = Size(1 + random_bits() % 9), column = Size(random_bits() % size_t(I));
  const Size O = I - 1 + D;
  const Buffer<T> x = numbers<T>(N * I), w = numbers<T>(K * D), dout = numbers<T>(N * O);
  for (Size n = 0; n < N; ++n) x.data()[n * I + column] = T(random_bits() % size_t(K));
  const Buffer<T> out(N * O), out_naive(N * O), dx(N * I), dx_naive(N * I), dw(K * D),
      dw_naive(K * D);
  const Codes codes = {column, K};
  embedding_forward(out.data(), x.data(), w.data(), codes, N, I, D);
  embedding_forward_naive(out_naive.data(), x.data(), w.data(), codes, N, I, D);
  compare("embedding_forward", "out", out, out_naive, N, I, D);
  embedding_backward_dx(dx.data(), dout.data(), N, I, D, column);
  embedding_backward_dx_naive(dx_naive.data(), dout.data(), N, I, D, column);
  compare("embedding_backward", "dx", dx, dx_naive, N, I, D);
  const Size half = Size(random_bits() % size_t(K + 1));
  const CodesOf<T> codes_of = {x.data() + column, I, K};
  const T* const of_vectors = dout.data() + I - 1;
  embedding_backward_dw(dw.data(), of_vectors, O, codes_of, N, D, {0, half});
  embedding_backward_dw(dw.data(), of_vectors, O, codes_of, N, D, {half, K});
  embedding_backward_dw_naive(dw_naive.data(), of_vectors, O, codes_of, N, D, {0, K});
  compare("embedding_backward", "dw, in two parts", dw, dw_naive, N, I, D);
}

// Positions lie within the bins, at their edges and beyond; some are not finite.
template <class T>
void test_binned_affine(Size N, Size I, Size O) {
  const std::vector<Size> counts = [&] {
    std::vector<Size> found;
    for (Size i = 0; i < I; ++i) {
      const Size most = random_bits() % 64 ? 6 : 100;  // now and then more than 64
      found.push_back(random_bits() % 2 ? 0 : 1 + Size(random_bits() % std::size_t(most)));
    }
    return found;
  }();
  const Bins bins = {counts.data(), I};
  Size R = 0;
  for (Size i = 0; i < I; ++i) R += bins.rows(i);
  const Buffer<T> x = numbers<T>(N * I), w = numbers<T>(R * O), b = numbers<T>(O),
                  dout = numbers<T>(N * O);
  for (Size i = 0; i < N * I; ++i) {
    const Size most = 4 * counts[std::size_t(i % I)] + 9;
    if (random_bits() % 2) x.data()[i] = T(random_bits() % std::size_t(most)) / 4 - 1;
    if (random_bits() % 300 == 0) x.data()[i] = std::numeric_limits<T>::quiet_NaN();
    if (random_bits() % 100 == 0) x.data()[i] = std::numeric_limits<T>::infinity();
  }
  const Buffer<T> scratch(kernels<T>().scratch_size + (R + 1) * O);
  const Buffer<T> out(N * O), out_naive(N * O), dw(R * O), dw_naive(R * O);
  kernels<T>().binned_affine_forward(out.data(), x.data(), w.data(), b.data(), bins, scratch.data(),
                                     N, O);
  binned_affine_forward_naive(out_naive.data(), x.data(), w.data(), b.data(), bins, N, O);
  compare("binned_affine_forward", "out", out, out_naive, N, I, O);
  const Size half = Size(random_bits() % size_t(I + 1));
  const Buffer<T> db(O);
  kernels<T>().column_sums(db.data(), dout.data(), N, O, false);
  T* of_part = dw.data();
  for (const Range part : {Range{0, half}, Range{half, I}}) {
    kernels<T>().binned_affine_dw(of_part, dout.data(), x.data(), half % 2 ? db.data() : nullptr,
                                  {bins, part}, scratch.data(), N, O);
    for (Size i = part.first; i < part.last; ++i) of_part += bins.rows(i) * O;
  }
  binned_affine_dw_naive(dw_naive.data(), dout.data(), x.data(), bins, N, O, {0, I});
  compare("binned_affine_dw", "dw, in two parts", dw, dw_naive, N, I, O);
}

}  // namespace
}  // namespace handnn
