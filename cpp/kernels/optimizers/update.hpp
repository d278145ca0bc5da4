// Helpers shared by all optimizers. An optimizer is a formula that updates one entry:
//
//   struct Formula {
//     template <class V>
//     static void step(V& param, V& state_0, V& state_1, V grad, const Rates<V>& rates);
//   };
//
// which is a template over vectors and scalars. A state that the optimizer does not keep is passed
// as 0.
#pragma once

#include "../each_vector.hpp"
#include "rates.hpp"

namespace handnn {
namespace {

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

// The gradient that is passed to a formula: scaled, clipped, and with coupled weight decay added.
template <class V>
inline V prepared(V grad, V param, const Rates<V>& rates) {
  const V clipped = at_least(at_most(grad * rates.grad_scale, rates.clip), -rates.clip);
  return fma(rates.weight_decay, param, clipped);
}

// Updates param (n) and the states (n) in place from grad (n). Either state may be null.
template <class Formula, class T>
void update(T* param, T* state_0, T* state_1, const T* grad, const Rates<T>& rates, Size n) {
  const Rates<Vector<T>> all = splat(rates);
  for_each_vector<T>(n, [&](auto at) {
    Vector<T> p = at.load(param), s0{}, s1{};
    if (state_0) s0 = at.load(state_0);
    if (state_1) s1 = at.load(state_1);
    Formula::step(p, s0, s1, prepared(at.load(grad), p, all), all);
    at.store(param, p);
    if (state_0) at.store(state_0, s0);
    if (state_1) at.store(state_1, s1);
  });
}
template <class Formula, class T>
void update_naive(T* param, T* state_0, T* state_1, const T* grad, const Rates<T>& rates, Size n) {
  for (Size i = 0; i < n; ++i) {
    T s0 = state_0 ? state_0[i] : T(0), s1 = state_1 ? state_1[i] : T(0);
    Formula::step(param[i], s0, s1, prepared(grad[i], param[i], rates), rates);
    if (state_0) state_0[i] = s0;
    if (state_1) state_1[i] = s1;
  }
}

}  // namespace
}  // namespace handnn
