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
#include "../pack.hpp"
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
      return RowExps<T>{most, row_sum<T>(O, add)};
    });
  }
  template <class T>
  static double forward_naive(const T* pre, const T* y_true, const T* weight,
                              const LossOptions<T>& with, Size N, Size O) {
    return loss(pre, y_true, weight, with, N, O, [O](const T* x) {
      const T most = row_max_naive(x, O);
      const auto add = [&](Size o, T sum) { return sum + exp(x[o] - most); };
      return RowExps<T>{most, row_sum_naive<T>(O, add)};
    });
  }

  template <class T>
  static void backward(T* dx, const T* pre, const T* y_true, const T* weight,
                       const LossOptions<T>& with, T scale, Size N, Size O) {
    slopes({nullptr, dx}, pre, y_true, weight, with, scale, N, O);
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

  // Computes each exponential once for both.
  static constexpr bool is_in_place = false;
  template <class T>
  static void add_and_backward(SumsAndSlopes<T> to, const T* pre, const T* y_true, const T* weight,
                               const LossOptions<T>& with, T scale, Size N, Size O) {
    slopes(to, pre, y_true, weight, with, scale, N, O);
  }
  static double mean(double* sums, Size N, Size O) {
    return take_sum(sums, N) / double(O > 0 ? N : 0);
  }

 private:
  template <class T>
  static void slopes(SumsAndSlopes<T> to, const T* pre, const T* y_true, const T* weight,
                     const LossOptions<T>& with, T scale, Size N, Size O) {
    const bool are_short = O <= partial_sums && with.columns == 1 && with.setting == 0;
    const Size few = are_short && N > 2 ? N : 0;  // fewer leave most lanes empty
    for (Size n = 0; O > 0 && n < few; n += lanes<T>) {
      const Size end = few - n < lanes<T> ? few : n + lanes<T>;
      slopes_of_short_rows(to, pre, y_true, weight, with, scale, {n, end}, O);
    }
    for (Size n = few; O > 0 && n < N; ++n) {
      const T* row = pre + n * O;
      const Targets<T> t(with, y_true, n, O);
      const RowExps<T> exps = exps_of_row(to.dx + n * O, row, O);
      if (to.sums) add_row(to.sums, loss_of_row(row, exps, t, O), weight, n);
      slope_of_exps(to.dx + n * O, exps.sum, t, weight ? scale * weight[n] : scale, O);
    }
  }

  // The same for up to L rows, one in each lane, if O <= partial_sums and the targets are labels
  // without smoothing.
  template <class T>
  static void slopes_of_short_rows(SumsAndSlopes<T> to, const T* pre, const T* y_true,
                                   const T* weight, const LossOptions<T>& with, T scale, Range rows,
                                   Size O) {
    constexpr Size L = lanes<T>;
    const Size n = rows.first, count = rows.last - n;
    T x[partial_sums * L], most[L], log_sum[L], class_weight[L], target[L] = {};
    Size label[L];
    store(x, Vector<T>{});  // GCC does not see that O > 0
    for (Size o = 0; o < O; o += L) {
      pack_transposed(x + o * L, L, pre + n * O + o, O, count, O - o < L ? O - o : L);
    }
    for (Size r = 0; r < count; ++r) {
      const Targets<T> t(with, y_true, n + r, O);
      label[r] = t.label();
      class_weight[r] = t.weight(label[r]);
      target[r] = (weight ? scale * weight[n + r] : scale) * class_weight[r];
    }
    Vector<T> largest = load(x), exps[partial_sums], partial[partial_sums];
    for (Size o = 1; o < O; ++o) largest = at_least(largest, load(x + o * L));
    for (Size o = 0; o < O; ++o) partial[o] = exps[o] = exp(load(x + o * L) - largest);
    // Clearing all of them first would take as long as an exponential.
    HANDNN_ROLL
    for (Size o = O; o < partial_sums; ++o) partial[o] = Vector<T>{};
    const Vector<T> sum = add_pairwise(partial);
    for (Size o = 0; o < O; ++o) store(x + o * L, exps[o] / sum * load(target));
    if (to.sums) {
      store(most, largest);
      store(log_sum, log(sum));
    }
    for (Size r = 0; r < count; ++r) {
      T* row = to.dx + (n + r) * O;
      for (Size o = 0; o < O; ++o) row[o] = x[o * L + r];
      row[label[r]] -= target[r];
      if (!to.sums) continue;
      const T error = log_sum[r] - (pre[(n + r) * O + label[r]] - most[r]);
      add_row(to.sums, double(class_weight[r]) * double(error), weight, n + r);
    }
  }

  template <class T>
  static void add_row(double* sums, double row, const T* weight, Size n) {
    sums[n % partial_sums] += weight ? double(weight[n]) * row : row;
  }

  // exps(x) returns m and S of a row; the twins differ in this function only.
  template <class T, class F>
  static double loss(const T* pre, const T* y_true, const T* weight, const LossOptions<T>& with,
                     Size N, Size O, F exps) {
    double sums[partial_sums] = {};
    for (Size n = 0; O > 0 && n < N; ++n, pre += O) {
      add_row(sums, loss_of_row(pre, exps(pre), Targets<T>(with, y_true, n, O), O), weight, n);
    }
    return mean(sums, N, O);
  }

  template <class T>
  static double loss_of_row(const T* pre, RowExps<T> exps, const Targets<T>& t, Size O) {
    const T log_sum = log(exps.sum);
    const auto term = [&](Size o) { return double(t(o)) * double(log_sum - (pre[o] - exps.most)); };
    if (t.is_one()) return term(t.label());
    double row = 0;
    for (Size o = 0; o < O; ++o) row += term(o);
    return row;
  }

  // Replaces the exponentials (O) of a row, with this sum, by the slopes.
  template <class T>
  static void slope_of_exps(T* exps, T sum, const Targets<T>& t, T factor, Size O) {
    if (t.is_one()) {
      const T target = factor * t.weight(t.label());
      for_each_vector<T>(O, [&](auto at) { at.store(exps, at.load(exps) / sum * target); });
      exps[t.label()] -= target;
    } else {
      for_each_vector<T>(O, [&](auto at) { at.store(exps, at.load(exps) / sum); });
      slope(exps, t, factor, O);
    }
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
