// The gradients of the params of a small affine in one pass over the rows:
//
//   dw (I, O) = x (N, I)^T . dout (N, O)      db (O) = sum over n of dout
//
// All sums stay in registers, in the order of matmul_tn and column_sums. Either a lane holds an
// output and a vector of sums is a row of dw, or, if there are few outputs, a lane holds an input
// and a vector is a column of dw.
#pragma once

#include "arguments.hpp"
#include "each_vector.hpp"

namespace handnn {
namespace {

// The two factors of dw: N rows of `few` elements, which are broadcast one by one, and N rows of
// `many` elements, which fill the lanes.
template <class T>
struct SmallFactors {
  const T *few_data, *many_data;
  Size N, few, many;
};

// Stores the first n lanes, or all, `apart` elements apart.
template <class T>
inline void store_column(T* p, Size apart, Vector<T> v, Size n) {
  T lane[lanes<T>];
  store(lane, v);
  HANDNN_ROLL
  for (Size i = 0; i < lanes<T> && i < n; ++i) p[i * apart] = lane[i];
}

// The sums of the lanes `at`, in R vectors. If `few` is below R, the remaining vectors repeat the
// last one.
template <int R, bool is_column, class T, class At>
__attribute__((noinline)) void small_gradients_at(At at, T* dw, T* db, const SmallFactors<T>& of) {
  Size which[R];
  for (int r = 0; r < R; ++r) which[r] = r < of.few ? r : of.few - 1;
  Vector<T> sum[R] = {}, bias[is_column ? R : 1] = {};
  const T *few_n = of.few_data, *many_n = of.many_data;
  for (Size n = of.N; n > 0; --n, few_n += of.few, many_n += of.many) {
    const Vector<T> many = at.load(many_n);
    if constexpr (!is_column) bias[0] += many;
    HANDNN_UNROLL
    for (int r = 0; r < R; ++r) {
      const Vector<T> few = splat(few_n[which[r]]);
      if constexpr (is_column) bias[r] += few;
      sum[r] = fma(few, many, sum[r]);
    }
  }
  HANDNN_UNROLL
  for (int r = 0; r < R; ++r) {
    if (r >= of.few) break;
    if constexpr (is_column) {
      store_column(dw + at.i * of.few + r, of.few, sum[r], of.many - at.i);
      db[r] = bias[r][0];
    } else {
      at.store(dw + r * of.many, sum[r]);
    }
  }
  if constexpr (!is_column) at.store(db, bias[0]);
}

template <bool is_column, class T>
void small_gradients_of(T* dw, T* db, const SmallFactors<T>& of) {
  for_each_vector<T>(of.many, [&](auto at) {
    if (of.few <= 2) {
      small_gradients_at<2, is_column>(at, dw, db, of);
    } else if (is_column || of.few <= 4) {
      small_gradients_at<4, is_column>(at, dw, db, of);
    } else if constexpr (!is_column) {
      small_gradients_at<8, is_column>(at, dw, db, of);
    }
  });
}

// Computes dw and db if the affine is small. Returns whether it is. CPUs without FMA are too old to
// get code of their own.
template <class T>
bool small_gradients(T* dw, T* db, const T* x, const T* dout, Size N, Size I, Size O) {
  constexpr Size L = lanes<T>;
  if (!has_fma || I <= 0 || O <= 0) return false;
  if (O <= 4 && I <= 2 * L && (O < I || O == 1)) {
    small_gradients_of<true, T>(dw, db, {dout, x, N, O, I});
  } else if (I <= 8 && O <= 2 * L) {
    small_gradients_of<false, T>(dw, db, {x, dout, N, I, O});
  } else {
    return false;
  }
  return true;
}

}  // namespace
}  // namespace handnn
