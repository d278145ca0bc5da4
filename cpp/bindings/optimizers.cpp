#include <string_view>

#include "bind.hpp"
#include "settings.hpp"

namespace handnn {

namespace {

// Performs one step of the optimizer called `kind`, which updates param and its states in place.
// The only state that may be None is a velocity without momentum.
void update(const std::string& kind, InOutArray param_any, ArrayLike grad_any, OutArray state_0_any,
            OutArray state_1_any, const SettingsDict& settings) {
  const std::string function = kind + "_update";
  Gate gate(function.c_str());
  const int which = optimizer_called(gate, kind);
  const OptimizerFacts& facts = optimizer_facts[which];
  const OptimizerSettings with = optimizer_settings(gate, which, settings);
  Array param, grad, states[2];
  gate.inputs({{"param", param_any, param}, {"grad", grad_any, grad}});
  const py::handle given[2] = {state_0_any, state_1_any};
  for (int i = 0; i < 2; ++i) {
    const std::string_view name = facts.states[i];
    if (given[i].is_none() && (name == "velocity" || name.empty())) continue;
    gate.inputs({{facts.states[i], given[i], states[i]}});
    gate.require_writable(states[i], given[i]);
  }
  gate.require_writable(param, param_any);
  gate.require_same_shape(grad, param);
  for (const Array& state : states) {
    if (state.object) gate.require_same_shape(state, param);
  }

  gate.run(param.size, [&]<class T>(const Kernels<T>& kernels) {
    kernels.updates[which](param, states[0], states[1], grad, rates<T>(with), param.size);
  });
}

}  // namespace

void bind_optimizers(py::module_& module) {
  module.def("optimizer_update", update, py::arg("kind"), py::arg("param"), py::arg("grad"),
             py::arg("state_0"), py::arg("state_1"), py::arg("settings"));
  module.def("clip_scale", clip_scale, py::arg("clip_norm"), py::arg("sum_of_squares"));
  module.def(
      "sum_of_squares",
      [](ArrayLike x_any) {
        Gate gate("sum_of_squares");
        Array x;
        gate.inputs({{"x", x_any, x}});
        return gate.run(x.size, [&](auto& kernels) { return kernels.sum_of_squares(x, x.size); });
      },
      py::arg("x"));
}

}  // namespace handnn
