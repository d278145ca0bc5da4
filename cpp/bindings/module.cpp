// handnn._core: the kernels as functions of NumPy arrays. Use them through handnn.functional, which
// says what each takes.
#include "bind.hpp"

PYBIND11_MODULE(_core, module) {
  handnn::bind_cpu(module);
  handnn::bind_layers(module);
  handnn::bind_norms(module);
  handnn::bind_losses(module);
  handnn::bind_optimizers(module);
  handnn::bind_engine(module);
  handnn::bind_training(module);
  handnn::bind_measure(module);
}
