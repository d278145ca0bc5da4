// The output of a product, and the ReLU that comes after it.
//
// A separate pass of ReLU would read and write arrays that no longer are in the cache. So a product
// applies it to its sums, or to a part of its output as soon as the chains of that part are
// complete.
#pragma once

#include "layers/relu.hpp"
#include "signs.hpp"
#include "tile.hpp"

namespace handnn {
namespace {

// The output, row-major like RowMajor, and signs, or null. If `negative` is given, the output
// becomes its ReLU, and `negative` receives the signs of what it was before. If `zero` is given,
// the output becomes 0 in these lanes, as in the backward pass of that ReLU.
template <class T>
struct Output {
  T* data;
  Size row;
  Signs* negative = nullptr;
  const Signs* zero = nullptr;

  // j is a multiple of the vector length.
  Output from(Size i, Size j) const {
    const Size word = i * sign_words(row) + j / lanes<T>;
    return {data + i * row + j, row, negative ? negative + word : nullptr,
            zero ? zero + word : nullptr};
  }
  RowMajor<T> product() const { return {data, row}; }
  bool is_unfinished() const { return negative || zero; }

  // The output of vector c of the first row, which has these sums.
  Vector<T> finished(Vector<T> sum, Size c) const {
    if (negative) {
      negative[c] = negative_lanes(sum);
      return ReLU::forward(sum, sum);
    }
    return zero ? zero_lanes(sum, zero[c]) : sum;
  }
  // Finishes M rows of J elements.
  __attribute__((noinline)) void finish(Size M, Size J) const {
    for (Size m = 0; m < M && is_unfinished(); ++m) {
      const Output of = from(m, 0);
      for_each_vector<T>(
          J, [&](auto at) { at.store(of.data, of.finished(at.load(of.data), at.i / lanes<T>)); });
    }
  }
};

// The rows of a part of the output that stays in the L1 cache until it is finished.
constexpr Size unfinished_rows = 48;

// The output of tiles that apply the ReLU to their sums.
template <class T>
struct ReLURows : RowMajor<T> {
  Signs* negative;

  explicit ReLURows(const Output<T>& of) : RowMajor<T>(of.product()), negative(of.negative) {}
  void next_row() {
    negative += sign_words(this->row);
    this->data += this->row;
  }
  template <class V>
  V ended(V sum, int c) const {
    negative[c] = negative_lanes(sum);
    return ReLU::forward(sum, sum);
  }
};

// out (M, C vectors of columns) = relu(start + a . b): the widest and highest tiles, for as many
// rows as they fill. Returns the number of rows. Others are too small for code of their own.
template <int C, class T>
Size relu_tiles(const Output<T>& out, const Strided<T>& a, RowMajor<const T> b, Start<T> start,
                Size M, Size K) {
  constexpr int R = tile_rows<C>;
  const Heights h = heights<R>(M);
  if (h.rows < R) return 0;
  tile_column<R, C, false>(ReLURows<T>(out), a, R * a.row, b, start, K, WholeVector<T>{0}, h.high);
  return h.high * R;
}

}  // namespace
}  // namespace handnn
