// handnn._core: the kernels and the engine for Python. handnn.functional and handnn.engine document
// what each function takes.
//
// The module does not need the GIL. Its process-wide state is the table of kernels, chosen once at
// import, and the thread pool, which is synchronized. Scratch memory is per thread, and compiled
// networks are immutable. As in NumPy, a caller must not resize or write an array in one thread
// while a call in another thread uses it.
#include "arguments.hpp"
#include "arrays.hpp"
#include "bind.hpp"

PYBIND11_MODULE(_core, module, pybind11::mod_gil_not_used()) {
  handnn::import_numpy();
  handnn::bind_cpu(module);
  handnn::bind_layers(module);
  handnn::bind_norms(module);
  handnn::bind_losses(module);
  handnn::bind_optimizers(module);
  handnn::bind_engine(module);
  handnn::bind_training(module);
  handnn::bind_measure(module);
  handnn::bind_signals(module);
}
