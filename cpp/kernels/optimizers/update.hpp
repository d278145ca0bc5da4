// Helpers shared by all optimizers. An optimizer is a formula that updates one entry:
//
//   struct Formula {
//     static constexpr Keeps keeps[2];  // whether the optimizer has state_0 and state_1
//     static constexpr bool is_common;  // whether more code for fewer instructions pays
//     template <class V>
//     static void step(V& param, V& state_0, V& state_1, V grad, const Rates<V>& rates);
//   };
//
// which is a template over vectors and scalars. A state that the optimizer does not keep is passed
// as 0, and its array as null.
#pragma once

#include <type_traits>

#include "../arguments.hpp"
#include "../each_vector.hpp"
#include "rates.hpp"

namespace handnn {
namespace {

enum class Keeps { never, sometimes, always };

// Whether a state is kept, if it is in this array.
template <class Formula, int which, class T>
inline bool has_state(const T* array) {
  constexpr Keeps kept = Formula::keeps[which];
  return kept == Keeps::always || (kept == Keeps::sometimes && array);
}

// Broadcasts the rates to every lane.
template <class T>
inline Rates<Vector<T>> splat(const Rates<T>& rates) {
  return {
      .lr = splat(rates.lr),
      .weight_decay = splat(rates.weight_decay),
      .shrink = splat(rates.shrink),
      .grad_scale = splat(rates.grad_scale),
      .clip = splat(rates.clip),
      .mean_decay = splat(rates.mean_decay),
      .mean_weight = splat(rates.mean_weight),
      .square_decay = splat(rates.square_decay),
      .square_weight = splat(rates.square_weight),
      .eps = splat(rates.eps),
      .square_correction = splat(rates.square_correction),
      .nesterov = rates.nesterov,
  };
}

// Whether gradients are scaled or clipped.
template <class T>
inline bool changes_gradients(const Rates<T>& rates) {
  return rates.grad_scale != 1 || rates.clip != __builtin_inff();
}

// The gradient that is passed to a formula: scaled and clipped, if `changes`, and with coupled
// weight decay added.
template <bool changes, class V>
inline V prepared(V grad, V param, const Rates<V>& rates) {
  if constexpr (changes) {
    grad = at_least(at_most(grad * rates.grad_scale, rates.clip), -rates.clip);
  }
  return fma(rates.weight_decay, param, grad);
}

// The entries of a vector of a param and its states.
template <class Formula, class T>
struct Entries {
  Vector<T> param, state_0, state_1;

  template <class At>
  void load(At at, ParamArrays<T> of) {
    param = at.load(of.param);
    state_0 = state_1 = Vector<T>{};
    if (has_state<Formula, 0>(of.state_0)) state_0 = at.load(of.state_0);
    if (has_state<Formula, 1>(of.state_1)) state_1 = at.load(of.state_1);
  }
  template <bool changes>
  void step(Vector<T> grad, const Rates<Vector<T>>& rates) {
    Formula::step(param, state_0, state_1, prepared<changes>(grad, param, rates), rates);
  }
  template <class At>
  void store(At at, ParamArrays<T> of) const {
    at.store(of.param, param);
    if (has_state<Formula, 0>(of.state_0)) at.store(of.state_0, state_0);
    if (has_state<Formula, 1>(of.state_1)) at.store(of.state_1, state_1);
  }
};

// Updates the entries at `at` in place.
template <class Formula, bool changes, class T, class At>
inline void step_at(At at, ParamArrays<T> of, Vector<T> grad, const Rates<Vector<T>>& rates) {
  Entries<Formula, T> entries;
  entries.load(at, of);
  entries.template step<changes>(grad, rates);
  entries.store(at, of);
}

// Updates param (n) and the states (n) in place from grad (n).
template <class Formula, class T>
void update(T* param, T* state_0, T* state_1, const T* grad, const Rates<T>& rates, Size n) {
  const Rates<Vector<T>> all = splat(rates);
  const auto update_all = [&](auto changes) {
    for_each_vector<T>(n, [&](auto at) {
      step_at<Formula, changes, T>(at, {param, state_0, state_1}, at.load(grad), all);
    });
  };
  changes_gradients(rates) ? update_all(std::true_type{}) : update_all(std::false_type{});
}
template <class Formula, class T>
void update_naive(T* param, T* state_0, T* state_1, const T* grad, const Rates<T>& rates, Size n) {
  for (Size i = 0; i < n; ++i) {
    T s0 = state_0 ? state_0[i] : T(0), s1 = state_1 ? state_1[i] : T(0);
    Formula::step(param[i], s0, s1, prepared<true>(grad[i], param[i], rates), rates);
    if (state_0) state_0[i] = s0;
    if (state_1) state_1[i] = s1;
  }
}

// Updates w (I, O) and its states in place from its gradient x^T . dout, which is not stored: it is
// summed in registers, as matmul_tn sums it, and used. For few rows, where reading and writing w
// takes longer than the sums.
//
// `rates` are passed by value, because stores to w might change what a reference refers to.
template <class Formula, bool changes, class T>
void update_by_rows(ParamArrays<T> w, FewRows<T> from, Rates<Vector<T>> rates, Range rows, Size O) {
  for (Size i = rows.first; i < rows.last; ++i) {
    const auto row = [&](T* array) { return array ? array + i * O : nullptr; };
    const ParamArrays<T> w_row = {row(w.param), row(w.state_0), row(w.state_1)};
    for_each_vector<T>(O, [&](auto at) {
      Vector<T> sum{};
      for (Size n = 0; n < from.N; ++n) {
        sum = fma(splat(from.x[n * from.x_row + i]), at.load(from.dout + n * from.dout_row), sum);
      }
      step_at<Formula, changes>(at, w_row, sum, rates);
    });
  }
}
// The same for N rows of x and dout, and O of at least a vector: w is passed in one go. A vector
// that goes beyond its row of w continues with the next row: a masked load or store that overlaps a
// store of the same bytes waits for it, which takes four times as long.
template <int N, class Formula, class T>
void update_in_one_go(ParamArrays<T> w, FewRows<T> from, Rates<Vector<T>> rates, Size I, Size O) {
  constexpr Size L = lanes<T>;
  T ends[N][2 * L];  // the last and the first columns of dout
  HANDNN_ROLL
  for (int n = 0; n < N; ++n) {
    const T* dout = from.dout + n * from.dout_row;
    store(ends[n], load(dout + O - L));
    store(ends[n] + L, load(dout));
  }
  const auto step = [&](auto at, const Vector<T>(&x)[N], const T* dout, Size dout_row) {
    Vector<T> sum{};
    HANDNN_UNROLL
    for (int n = 0; n < N; ++n) sum = fma(x[n], load(dout + n * dout_row), sum);
    step_at<Formula, false, T>(at, w, sum, rates);
  };
  Size o = 0;  // the first column that the row before has not updated
  for (Size i = 0; i < I; ++i) {
    const T* x = from.x + i;
    Vector<T> x_i[N];
    HANDNN_UNROLL
    for (int n = 0; n < N; ++n) x_i[n] = splat(x[n * from.x_row]);
    for (; o + L <= O; o += L) {
      step(WholeVector<T>{i * O + o}, x_i, from.dout + o, from.dout_row);
    }
    const Size rest = O - o;
    o = 0;
    if (rest == 0) continue;
    const T* dout_at = ends[0] + L - rest;
    if (i + 1 == I) {
      return step(PartialVector<T>{I * O - rest, First<T>(rest)}, x_i, dout_at, 2 * L);
    }
    HANDNN_UNROLL
    for (int n = 0; n < N; ++n) {
      x_i[n] = with_rest<T>(x_i[n], splat(x[n * from.x_row + 1]), rest);
    }
    step(WholeVector<T>{(i + 1) * O - rest}, x_i, dout_at, 2 * L);
    o = L - rest;
  }
}
// The same for R rows and C vectors of columns, which share what they read of x and dout.
template <int R, int C, class Formula, class T>
inline void update_tile(ParamArrays<T> w, FewRows<T> from, const Rates<Vector<T>>& rates, Size i,
                        Size o, Size O) {
  constexpr Size L = lanes<T>;
  Vector<T> sum[R][C] = {};
  for (Size n = 0; n < from.N; ++n) {
    Vector<T> dout[C];
    HANDNN_UNROLL
    for (int c = 0; c < C; ++c) dout[c] = load(from.dout + n * from.dout_row + o + c * L);
    HANDNN_UNROLL
    for (int r = 0; r < R; ++r) {
      const Vector<T> x = splat(from.x[n * from.x_row + i + r]);
      HANDNN_UNROLL
      for (int c = 0; c < C; ++c) sum[r][c] = fma(x, dout[c], sum[r][c]);
    }
  }
  HANDNN_UNROLL
  for (int r = 0; r < R; ++r) {
    HANDNN_UNROLL
    for (int c = 0; c < C; ++c) {
      step_at<Formula, false>(WholeVector<T>{(i + r) * O + o + c * L}, w, sum[r][c], rates);
    }
  }
}
constexpr Size tiled_rows = 4;
template <class Formula, class T>
void update_by_tiles(ParamArrays<T> w, FewRows<T> from, Rates<Vector<T>> rates, Size I, Size O) {
  constexpr Size L = lanes<T>, R = tiled_rows, C = 2;
  const Size whole = O / L * L;
  const First<T> rest(O - whole);
  for (Size i = 0; i < I; i += R) {
    Size o = 0;
    for (; o + C * L <= whole; o += C * L) update_tile<R, C, Formula>(w, from, rates, i, o, O);
    if (o < whole) update_tile<R, 1, Formula>(w, from, rates, i, o, O);
    for (Size r = i; whole < O && r < i + R; ++r) {
      Vector<T> sum{};
      for (Size n = 0; n < from.N; ++n) {
        const T* dout = from.dout + n * from.dout_row + whole;
        sum = fma(splat(from.x[n * from.x_row + r]), load(dout, rest), sum);
      }
      step_at<Formula, false>(PartialVector<T>{r * O + whole, rest}, w, sum, rates);
    }
  }
}
template <class Formula, class T>
void update_from_rows(ParamArrays<T> w, FewRows<T> from, const Rates<T>& rates, Size I, Size O) {
  if (O == 1 && I > 1 && from.dout_row == 1) {  // a column is updated as a row
    const FewRows<T> swapped = {from.dout, 1, from.x, from.x_row, from.N};
    return update_from_rows<Formula>(w, swapped, rates, 1, I);
  }
  const Rates<Vector<T>> all = splat(rates);
  if (changes_gradients(rates)) return update_by_rows<Formula, true>(w, from, all, {0, I}, O);
  if (O >= lanes<T>) {
    if (from.N == 1) return update_in_one_go<1, Formula>(w, from, all, I, O);
    if constexpr (Formula::is_common) {
      if (from.N == 2) return update_in_one_go<2, Formula>(w, from, all, I, O);
      if (from.N == 3) return update_in_one_go<3, Formula>(w, from, all, I, O);
      if (from.N == 4) return update_in_one_go<4, Formula>(w, from, all, I, O);
    }
  }
  const Size tiled = I / tiled_rows * tiled_rows;
  update_by_tiles<Formula>(w, from, all, tiled, O);
  update_by_rows<Formula, false>(w, from, all, {tiled, I}, O);
}
template <class Formula, class T>
void update_from_rows_naive(ParamArrays<T> w, FewRows<T> from, const Rates<T>& rates, Size I,
                            Size O) {
  for (Size i = 0; i < I; ++i) {
    for (Size o = 0; o < O; ++o) {
      T grad = 0;
      for (Size n = 0; n < from.N; ++n) {
        grad = fma(from.x[n * from.x_row + i], from.dout[n * from.dout_row + o], grad);
      }
      const auto at = [&](T* array) { return array ? array + i * O + o : nullptr; };
      update_naive<Formula>(at(w.param), at(w.state_0), at(w.state_1), &grad, rates, 1);
    }
  }
}

// Updates w (I, O) from one row, as above, and multiplies the next row by it: out (O) starts as the
// bias. So w is read once for both. Gradients are neither scaled nor clipped, and O is at least a
// vector. Columns come in pairs of vectors if registers suffice.
template <class Formula, class T>
void update_and_forward(ParamArrays<T> w, const T* x, const T* dout, NextRow<T> next,
                        const Rates<T>& rates, Size I, Size O) {
  constexpr bool in_pairs = Formula::keeps[1] == Keeps::never;
  // Rows that share what is read of dout. If they are a multiple of a page apart, their lines share
  // a few places of the L1 cache. Measured.
  const Size most = in_pairs && O * Size(sizeof(T)) % 4096 > 0 ? 16 : 4;
  const Rates<Vector<T>> all = splat(rates);
  for (Size first = 0, last; first < I; first = last) {
    last = I - first < most ? I : first + most;
    for_each_whole_vector<in_pairs, T>(O, [&](auto width, auto at) {
      constexpr int C = width;
      Vector<T> dout_at[C], sum[C];
      HANDNN_UNROLL
      for (int c = 0; c < C; ++c) {
        dout_at[c] = at(c).load(dout);
        sum[c] = at(c).load(next.out);
      }
      HANDNN_ROLL
      for (Size i = first; i < last; ++i) {
        const Vector<T> x_i = splat(x[i]), next_i = splat(next.x[i]);
        const auto at_row = [&](int c) { return WholeVector<T>{i * O + at(c).i}; };
        Entries<Formula, T> entries[C];
        HANDNN_UNROLL
        for (int c = 0; c < C; ++c) entries[c].load(at_row(c), w);
        HANDNN_UNROLL
        for (int c = 0; c < C; ++c) {
          entries[c].template step<false>(fma(x_i, dout_at[c], Vector<T>{}), all);
          entries[c].store(at_row(c), w);
          sum[c] = fma(next_i, entries[c].param, sum[c]);
        }
      }
      HANDNN_UNROLL
      for (int c = 0; c < C; ++c) at(c).store(next.out, sum[c]);
    });
  }
}
template <class Formula, class T>
void update_and_forward_naive(ParamArrays<T> w, const T* x, const T* dout, NextRow<T> next,
                              const Rates<T>& rates, Size I, Size O) {
  update_from_rows_naive<Formula>(w, {x, I, dout, O, 1}, rates, I, O);
  for (Size i = 0; i < I; ++i) {
    for (Size o = 0; o < O; ++o) next.out[o] = fma(next.x[i], w.param[i * O + o], next.out[o]);
  }
}

}  // namespace
}  // namespace handnn
