// The settings of an optimizer, as Python hands them over: a dict of numbers and bools by name.
#pragma once

#include <algorithm>
#include <iterator>
#include <string>

#include "arrays.hpp"
#include "engine/rates.hpp"

namespace handnn {

struct NamedNumber {
  const char* name;
  double OptimizerSettings::* member;
};
inline constexpr NamedNumber numbers_of_optimizers[] = {
    {"lr", &OptimizerSettings::lr},
    {"momentum", &OptimizerSettings::momentum},
    {"beta1", &OptimizerSettings::beta1},
    {"beta2", &OptimizerSettings::beta2},
    {"alpha", &OptimizerSettings::alpha},
    {"eps", &OptimizerSettings::epsilon},
    {"weight_decay", &OptimizerSettings::weight_decay},
    {"clip_value", &OptimizerSettings::clip_value},
    {"grad_scale", &OptimizerSettings::grad_scale},
};

inline OptimizerSettings optimizer_settings(const Gate& gate, int which, const py::dict& given) {
  OptimizerSettings with;
  with.which = which;
  for (const auto& [key, value] : given) {
    const std::string name = py::str(key);
    const auto number =
        std::find_if(std::begin(numbers_of_optimizers), std::end(numbers_of_optimizers),
                     [&](const NamedNumber& known) { return name == known.name; });
    if (number != std::end(numbers_of_optimizers)) {
      with.*number->member = gate.number(number->name, value);
    } else if (name == "step") {
      const double step = gate.number("step", value);
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

}  // namespace handnn
