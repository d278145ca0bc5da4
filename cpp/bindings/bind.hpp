// The parts of the extension module, each defined in the file of the same name. module.cpp calls
// them.
#pragma once

#include <pybind11/pybind11.h>

namespace handnn {

void bind_layers(pybind11::module_& module);
void bind_norms(pybind11::module_& module);
void bind_losses(pybind11::module_& module);
void bind_optimizers(pybind11::module_& module);
void bind_engine(pybind11::module_& module);
void bind_training(pybind11::module_& module);
void bind_cpu(pybind11::module_& module);
void bind_measure(pybind11::module_& module);
void bind_signals(pybind11::module_& module);

}  // namespace handnn
