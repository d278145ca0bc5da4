#include "arrays.hpp"
#include "bind.hpp"

namespace handnn {

namespace {

void sgd_update(py::handle param_any, py::handle grad_any, py::handle velocity_any,
                py::handle lr_any, py::handle momentum_any, py::handle nesterov_any,
                py::handle weight_decay_any) {
  Gate gate("sgd_update");
  const double lr = gate.number("lr", lr_any), momentum = gate.number("momentum", momentum_any),
               weight_decay = gate.number("weight_decay", weight_decay_any);
  const bool nesterov = gate.flag("nesterov", nesterov_any);
  Array param, grad, velocity;
  if (velocity_any.is_none()) {
    if (momentum != 0) gate.bad_value("momentum needs a velocity to keep, but velocity is None");
    gate.inputs({{"param", param_any, param}, {"grad", grad_any, grad}});
  } else {
    gate.inputs({{"param", param_any, param},
                 {"grad", grad_any, grad},
                 {"velocity", velocity_any, velocity}});
    gate.require_writable(velocity, velocity_any);
  }
  gate.require_writable(param, param_any);
  gate.require_same_shape(grad, param);
  if (velocity.object) gate.require_same_shape(velocity, param);

  gate.run(param.size, [&](auto& kernels) {
    kernels.sgd_update(param, velocity, grad, lr, momentum, weight_decay, nesterov, param.size);
  });
}

}  // namespace

void bind_optimizers(py::module_& module) {
  module.def("sgd_update", sgd_update, py::arg("param"), py::arg("grad"), py::arg("velocity"),
             py::arg("lr"), py::arg("momentum"), py::arg("nesterov"), py::arg("weight_decay"));
}

}  // namespace handnn
