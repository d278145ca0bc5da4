#include "arrays.hpp"
#include "bind.hpp"

namespace handnn {

namespace {

// Forward and backward drop the same entries, and so are one.
py::array drop(const char* function, const char* input, py::handle x_any, py::handle p_any,
               std::uint64_t seed, std::uint64_t step, const char* output, py::handle out_any) {
  Gate gate(function);
  const double p = gate.number("p", p_any);
  if (!(p >= 0 && p < 1)) gate.bad_value("p must be at least 0 and below 1, but is ", p);
  Array x;
  gate.inputs({{input, x_any, x}});
  const Array out = gate.output_like(output, out_any, x);

  gate.run(2 * double(x.size),
           [&](auto& kernels) { kernels.dropout(out, x, p, seed, step, 0, x.size); });
  return out.as_array();
}

}  // namespace

void bind_dropout(py::module_& module) {
  module.def(
      "dropout_forward",
      [](py::handle x, py::handle p, std::uint64_t seed, std::uint64_t step, py::handle out) {
        return drop("dropout_forward", "x", x, p, seed, step, "out", out);
      },
      py::arg("x"), py::arg("p"), py::arg("seed"), py::arg("step"), py::arg("out") = py::none());
  module.def(
      "dropout_backward",
      [](py::handle dout, py::handle p, std::uint64_t seed, std::uint64_t step, py::handle dx) {
        return drop("dropout_backward", "dout", dout, p, seed, step, "dx", dx);
      },
      py::arg("dout"), py::arg("p"), py::arg("seed"), py::arg("step"), py::arg("dx") = py::none());
}

}  // namespace handnn
