// What optimizers share. One is a formula for a step of one entry:
//
//   struct Formula {
//     template <class V>
//     static void step(V& param, V& state_0, V& state_1, V grad, const Rates<V>& rates);
//   };
//
// written once for vectors and single numbers. A state that an optimizer does not keep is 0.
#pragma once

#include "../each_vector.hpp"
#include "rates.hpp"

namespace handnn {
namespace {

// The same rates for every lane.
template <class T>
inline Rates<Vector<T>> splat(const Rates<T>& rates) {
  return {splat(rates.lr),         splat(rates.weight_decay), splat(rates.shrink),
          splat(rates.grad_scale), splat(rates.clip),         splat(rates.first),
          splat(rates.first_rest), splat(rates.second),       splat(rates.second_rest),
          splat(rates.epsilon),    splat(rates.correction),   rates.nesterov};
}

// The gradient as the formulas want it: scaled, clipped, and with the coupled weight decay.
template <class V>
inline V prepared(V grad, V param, const Rates<V>& rates) {
  const V clipped = at_least(at_most(grad * rates.grad_scale, rates.clip), -rates.clip);
  return fma(rates.weight_decay, param, clipped);
}

// grad (n) -> param (n) and the states (n), each of them or null, all updated in place.
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
