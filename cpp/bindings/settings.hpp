// The settings of an optimizer, which Python passes as a dict of numbers and bools by name.
#pragma once

#include <string_view>

#include "arrays.hpp"
#include "engine/rates.hpp"

namespace handnn {

// The index of the optimizer called `name`; raises ValueError for an unknown name.
inline int optimizer_called(const Gate& gate, std::string_view name) {
  for (int which = 0; which < optimizer_count; ++which) {
    if (name == optimizer_facts[which].name) return which;
  }
  gate.bad_value("unknown optimizer ", name);
}

inline constexpr struct {
  std::string_view name;
  double OptimizerSettings::* member;
} numbers_of_all_optimizers[] = {
    {"lr", &OptimizerSettings::lr},
    {"eps", &OptimizerSettings::eps},
    {"weight_decay", &OptimizerSettings::weight_decay},
    {"clip_value", &OptimizerSettings::clip_value},
    {"grad_scale", &OptimizerSettings::grad_scale},
};

// The address of the number called `name`, or null if optimizers have no such number.
inline double* number_called(std::string_view name, OptimizerSettings& with) {
  for (const auto& number : numbers_of_all_optimizers) {
    if (name == number.name) return &(with.*number.member);
  }
  const OptimizerFacts& facts = optimizer_facts[with.which];
  if (name == facts.mean_decay) return &with.mean_decay;
  if (name == facts.square_decay) return &with.square_decay;
  return nullptr;
}

inline OptimizerSettings optimizer_settings(const Gate& gate, int which, const py::dict& given) {
  OptimizerSettings with;
  with.which = which;
  for (const auto& [key, value] : given) {
    const std::string name = gate.word("the name of a setting", key);
    if (double* number = number_called(name, with)) {
      *number = gate.number(name.c_str(), value);
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
      gate.bad_type(optimizer_facts[which].name, " has no setting ", name);
    }
  }
  return with;
}

}  // namespace handnn
