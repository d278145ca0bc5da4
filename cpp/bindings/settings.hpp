// The settings of an optimizer, as Python hands them over: a dict of numbers and bools by name.
#pragma once

#include "arrays.hpp"
#include "engine/rates.hpp"

namespace handnn {

inline OptimizerSettings optimizer_settings(const Gate& gate, int which, const py::dict& given) {
  OptimizerSettings with;
  with.which = which;
  for (const auto& [key, value] : given) {
    const std::string name = py::str(key);
    const auto number = [&] { return gate.number(name.c_str(), value); };
    if (name == "lr") {
      with.lr = number();
    } else if (name == "momentum") {
      with.momentum = number();
    } else if (name == "beta1") {
      with.beta1 = number();
    } else if (name == "beta2") {
      with.beta2 = number();
    } else if (name == "alpha") {
      with.alpha = number();
    } else if (name == "eps") {
      with.epsilon = number();
    } else if (name == "weight_decay") {
      with.weight_decay = number();
    } else if (name == "clip_value") {
      with.clip_value = number();
    } else if (name == "grad_scale") {
      with.grad_scale = number();
    } else if (name == "step") {
      const double step = number();
      if (!(step >= 1 && step < 0x1p53))
        gate.bad_value("step must be from 1 to 2^53, but is ", step);
      with.step = std::uint64_t(step);
    } else if (name == "nesterov") {
      with.nesterov = gate.flag("nesterov", value);
    } else if (name == "decoupled") {
      with.decoupled = gate.flag("decoupled", value);
    } else {
      gate.bad_type("there is no setting ", name);
    }
  }
  return with;
}

// One step with the kernels of T.
template <class T>
void update_with(const Kernels<T>& kernels, const OptimizerSettings& with, const Array& param,
                 const Array (&states)[2], const Array& grad) {
  kernels.updates[with.which](param, states[0], states[1], grad, rates<T>(with), param.size);
}

}  // namespace handnn
