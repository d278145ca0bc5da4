#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bind.hpp"
#include "constructor.hpp"
#include "settings.hpp"

namespace handnn {

namespace {

// One checked update of a param and its states.
struct Update {
  int which;
  OptimizerSettings with;
  bool is_float32;
  Array param, grad, states[2];

  void require_unchanged() const {
    for (const Array* array : {&param, &grad, &states[0], &states[1]}) {
      if (!array->object || is_unchanged(*array)) continue;
      throw py::value_error(std::string(array->name) + " was changed in place during the step");
    }
  }

  template <class T>
  void run_as() const {
    active_kernels<T>().updates[which](param, states[0], states[1], grad, rates<T>(with),
                                       param.size);
  }
  void run() const { is_float32 ? run_as<float>() : run_as<double>(); }
};

// The updates of a block `with Updates():` on this thread, which run at its end, all in one call.
// So an error in the block, such as a lack of memory, leaves no param updated.
class Updates {
 public:
  void enter() {
    updates_.clear();
    outer_ = open;
    open = this;
  }

  void exit(py::handle error, py::handle, py::handle) {
    open = outer_;
    if (error.is_none()) run();
    updates_.clear();
  }

  static bool take(Update& update) {
    if (open) open->updates_.push_back(std::move(update));
    return open != nullptr;
  }

 private:
  void run() const {
    double work = 0;
    Locked locked;
    for (const Update& update : updates_) {
      work += double(update.param.size);
      locked.add(update.param.object);
      locked.add(update.grad.object);
      for (const Array& state : update.states) {
        if (state.object) locked.add(state.object);
      }
    }
    for (const Update& update : updates_) update.require_unchanged();
    const Unlocked unlocked(work >= Gate::worth_unlocking);
    for (const Update& update : updates_) update.run();
  }

  static thread_local Updates* open;
  Updates* outer_ = nullptr;
  std::vector<Update> updates_;
};

thread_local Updates* Updates::open = nullptr;

// Performs one step of the optimizer called `kind`, which updates param and its states in place: at
// once, or at the end of the block of Updates. The only state that may be None is a velocity
// without momentum.
void update(const std::string& kind, InOutArray param_any, ArrayLike grad_any, OutArray state_0_any,
            OutArray state_1_any, const SettingsDict& settings) {
  const std::string function = kind + "_update";
  Gate gate(function.c_str());
  Update update;
  update.which = optimizer_called(gate, kind);
  const OptimizerFacts& facts = optimizer_facts[update.which];
  update.with = optimizer_settings(gate, update.which, settings);
  gate.inputs({{"param", param_any, update.param}, {"grad", grad_any, update.grad}});
  const py::handle given[2] = {state_0_any, state_1_any};
  for (int i = 0; i < 2; ++i) {
    if (given[i].is_none() && !facts.always_keeps(i)) continue;
    gate.inputs({{facts.states[i], given[i], update.states[i]}});
    gate.require_writable(update.states[i], given[i]);
  }
  gate.require_writable(update.param, param_any);
  gate.require_same_shape(update.grad, update.param);
  for (const Array& state : update.states) {
    if (state.object) gate.require_same_shape(state, update.param);
  }
  update.is_float32 = gate.is_float32();
  if (Updates::take(update)) return;
  gate.run(double(update.param.size), [&](const auto&) { update.run(); });
}

}  // namespace

void bind_optimizers(py::module_& module) {
  module.def("optimizer_update", update, py::arg("kind"), py::arg("param"), py::arg("grad"),
             py::arg("state_0"), py::arg("state_1"), py::arg("settings"));
  const py::metaclass plain(reinterpret_cast<PyObject*>(&PyType_Type));
  py::class_<Updates> updates(module, "Updates", plain);
  define_constructor(updates);
  updates.def("__enter__", &Updates::enter)
      .def("__exit__", &Updates::exit, py::arg("error"), py::arg("value"), py::arg("traceback"));
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
