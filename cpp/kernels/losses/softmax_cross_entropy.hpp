// SoftmaxCrossEntropy: the mean over all N rows of -sum_o t_o log p_o, p = softmax(pre)
//
//   m = max_o pre_o,  S = sum_o exp(pre_o - m)      log p_o = (pre_o - m) - log S
//   t_o = w_o ((1 - e) y_o + e / O)                 e the label smoothing, w the class weights or 1
//   d loss / d pre_o = p_o sum_k t_k - t_o
//
// y_true (N, 1) holds labels, integers below O: y is 1 in that column and 0 in the others. y_true
// (N, O) holds the probabilities y themselves. S is a row_sum; the sums over o are in double and in
// ascending o.
#pragma once

#include "../layers/softmax.hpp"
#include "../log.hpp"
#include "loss.hpp"

namespace handnn {
namespace {

// The targets t_o of a row.
template <class T>
struct Targets {
  const LossOptions<T>& with;
  const T* y_true;  // of this row
  Size O;
  T kept, spread;  // 1 - e, e / O

  Targets(const LossOptions<T>& options, const T* all, Size n, Size outputs)
      : with(options),
        y_true(all + n * options.columns),
        O(outputs),
        kept(T(1) - options.setting),
        spread(options.setting / T(outputs)) {}

  bool are_labels() const { return with.columns == 1; }
  // An invalid label counts as 0: the caller has checked the labels, but another thread may have
  // overwritten them.
  Size label() const { return y_true[0] >= 0 && y_true[0] < T(O) ? Size(y_true[0]) : 0; }
  T weight(Size o) const { return with.numbers ? with.numbers[o] : T(1); }
  T operator()(Size o) const {
    const T y = are_labels() ? T(o == label()) : y_true[o];
    return weight(o) * fma(kept, y, spread);
  }
  // Whether the target of the label is the only one that is not 0.
  bool is_one() const { return are_labels() && with.setting == 0; }
};

struct SoftmaxCrossEntropy {
  template <class T>
  static double forward(const T* pre, const T* y_true, const T* weight, const LossOptions<T>& with,
                        Size N, Size O) {
    return loss(pre, y_true, weight, with, N, O, [O](const T* x) {
      const T most = row_max(x, O);
      const auto add = [&](auto at, auto sum) { return sum + exp(at.load(x) - most); };
      return Exps<T>{most, row_sum<T>(O, add)};
    });
  }
  template <class T>
  static double forward_naive(const T* pre, const T* y_true, const T* weight,
                              const LossOptions<T>& with, Size N, Size O) {
    return loss(pre, y_true, weight, with, N, O, [O](const T* x) {
      const T most = row_max_naive(x, O);
      const auto add = [&](Size o, T sum) { return sum + exp(x[o] - most); };
      return Exps<T>{most, row_sum_naive<T>(O, add)};
    });
  }

  template <class T>
  static void backward(T* dx, const T* pre, const T* y_true, const T* weight,
                       const LossOptions<T>& with, T scale, Size N, Size O) {
    for (Size n = 0; O > 0 && n < N; ++n, dx += O, pre += O) {
      const T factor = weight ? scale * weight[n] : scale;
      const Targets<T> t(with, y_true, n, O);
      if (t.is_one()) {
        const T target = factor * t.weight(t.label());
        softmax_row(dx, pre, O, [target](auto p) { return p * target; });
        dx[t.label()] -= target;
      } else {
        softmax_row(dx, pre, O, [](auto p) { return p; });
        slope(dx, t, factor, O);
      }
    }
  }
  template <class T>
  static void backward_naive(T* dx, const T* pre, const T* y_true, const T* weight,
                             const LossOptions<T>& with, T scale, Size N, Size O) {
    softmax_forward_naive(dx, pre, N, O);
    for (Size n = 0; O > 0 && n < N; ++n, dx += O) {
      const T factor = weight ? scale * weight[n] : scale;
      slope(dx, Targets<T>(with, y_true, n, O), factor, O);
    }
  }

 private:
  // The largest logit m of a row and the sum S.
  template <class T>
  struct Exps {
    T most, sum;
  };

  // exps(x) returns m and S of a row; the twins differ in this function only.
  template <class T, class F>
  static double loss(const T* pre, const T* y_true, const T* weight, const LossOptions<T>& with,
                     Size N, Size O, F exps) {
    double sums[partial_sums] = {};
    for (Size n = 0; O > 0 && n < N; ++n, pre += O) {
      const auto [most, sum] = exps(pre);
      const T log_sum = log(sum), largest = most;
      const Targets<T> t(with, y_true, n, O);
      const auto term = [&](Size o) { return double(t(o)) * double(log_sum - (pre[o] - largest)); };
      double row = 0;
      if (t.is_one()) {
        row = term(t.label());
      } else {
        for (Size o = 0; o < O; ++o) row += term(o);
      }
      sums[n % partial_sums] += weight ? double(weight[n]) * row : row;
    }
    return add_pairwise(sums) / double(O > 0 ? N : 0);
  }

  // Replaces the probabilities p (O) of a row by the slopes, in place.
  template <class T>
  static void slope(T* p, const Targets<T>& t, T factor, Size O) {
    if (t.is_one()) {
      const T target = factor * t.weight(t.label());
      for (Size o = 0; o < O; ++o) p[o] *= target;
      p[t.label()] -= target;
    } else {
      T total = 0;
      for (Size o = 0; o < O; ++o) total += t(o);
      for (Size o = 0; o < O; ++o) p[o] = fma(-factor, t(o), p[o] * (factor * total));
    }
  }
};

}  // namespace
}  // namespace handnn
