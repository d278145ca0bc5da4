// SGD: one step of stochastic gradient descent, with momentum, Nesterov's look-ahead and weight
// decay
//
//   g = grad + weight_decay param
//   v = momentum v + g
//   param = param - lr (nesterov ? g + momentum v : v)
//
// (PyTorch's convention, torch.optim.SGD: the learning rate is outside of the velocity. Nesterov's
// form: Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML
// 2013, section 2.)
#pragma once

#include "../simd.hpp"

namespace handnn {
namespace {

template <class V>
inline void sgd_step(V& param, V& velocity, V grad, V lr, V momentum, V weight_decay,
                     bool nesterov) {
  const V g = fma(weight_decay, param, grad);
  velocity = fma(momentum, velocity, g);
  const V step = nesterov ? fma(momentum, velocity, g) : velocity;
  param = fma(-lr, step, param);
}

// grad (n) -> param (n) and velocity (n), both updated in place; velocity may be null, and is then
// taken as 0.
template <class T>
void sgd_update(T* param, T* velocity, const T* grad, T lr, T momentum, T weight_decay,
                bool nesterov, Size n) {
  for_each_vector<T>(n, [&](auto at) {
    auto p = at.load(param);
    auto v = velocity ? at.load(velocity) : Vector<T>{};
    sgd_step(p, v, at.load(grad), splat(lr), splat(momentum), splat(weight_decay), nesterov);
    at.store(param, p);
    if (velocity) at.store(velocity, v);
  });
}
template <class T>
void sgd_update_naive(T* param, T* velocity, const T* grad, T lr, T momentum, T weight_decay,
                      bool nesterov, Size n) {
  for (Size i = 0; i < n; ++i) {
    T v = velocity ? velocity[i] : T(0);
    sgd_step(param[i], v, grad[i], lr, momentum, weight_decay, nesterov);
    if (velocity) velocity[i] = v;
  }
}

}  // namespace
}  // namespace handnn
