// Helpers shared by all losses. A loss is a struct of kernels:
//
//   forward   pre (N, O), y_true (N, Y), weight (N) or null -> the sum over all rows, each times
//             its weight, divided by the number of terms; NaN if that is 0
//   backward  the same -> dx (N, O), overwritten: the slope of the sum, times scale and weight
//
// each with its naive twin. A loss may have both in one pass, which adds the terms to partial sums:
//
//   add_and_backward   the same as backward, and sums (partial_sums) += the terms. A batch may be
//                      passed in several calls, in order; each but the last must have a multiple
//                      of partial_sums rows. With is_in_place, dx may be pre.
//   mean               sums of a batch of N rows -> the result of forward; sums are 0 afterwards
//
// Most are the mean of a formula of one entry of pre and of y_true:
//
//   struct Formula : MeanLoss<Formula> {
//     template <class V> static V value(V pre, V y_true, V setting);
//     template <class V> static V slope(V pre, V y_true, V setting);   with respect to pre
//   };
//
// which is a template over vectors and scalars.
#pragma once

#include "../each_vector.hpp"
#include "../sums.hpp"
#include "options.hpp"

namespace handnn {
namespace {

template <class Formula>
struct MeanLoss {
  template <class T>
  static double forward(const T* pre, const T* y_true, const T* weight, const LossOptions<T>& with,
                        Size N, Size O) {
    return sum_of_terms<T>(weight, N * O, O,
                           [&](auto load) {
                             return Formula::value(load(pre), load(y_true), splat(with.setting));
                           }) /
           double(N * O);
  }
  template <class T>
  static double forward_naive(const T* pre, const T* y_true, const T* weight,
                              const LossOptions<T>& with, Size N, Size O) {
    return sum_of_terms_naive<T>(
               weight, N * O, O,
               [&](Size i) { return Formula::value(pre[i], y_true[i], with.setting); }) /
           double(N * O);
  }

  template <class T>
  static void backward(T* dx, const T* pre, const T* y_true, const T* weight,
                       const LossOptions<T>& with, T scale, Size N, Size O) {
    const auto rows = [&](Size begin, Size count, T factor) {
      for_each_vector<T>(count, [&](auto at) {
        const auto slope =
            Formula::slope(at.load(pre + begin), at.load(y_true + begin), splat(with.setting));
        at.store(dx + begin, slope * splat(factor));
      });
    };
    if (!weight) return rows(0, N * O, scale);
    for (Size n = 0; n < N; ++n) rows(n * O, O, scale * weight[n]);
  }
  template <class T>
  static void backward_naive(T* dx, const T* pre, const T* y_true, const T* weight,
                             const LossOptions<T>& with, T scale, Size N, Size O) {
    for (Size i = 0; i < N * O; ++i) {
      const T factor = weight ? scale * weight[i / O] : scale;
      dx[i] = Formula::slope(pre[i], y_true[i], with.setting) * factor;
    }
  }
};

// A loss with plain loops as kernels, which are their own naive twins.
template <class Loss>
struct OwnTwin {
  template <class... Arguments>
  static double forward_naive(Arguments... arguments) {
    return Loss::forward(arguments...);
  }
  template <class... Arguments>
  static void backward_naive(Arguments... arguments) {
    Loss::backward(arguments...);
  }
};

}  // namespace
}  // namespace handnn
