#include <pybind11/typing.h>

#include "arrays.hpp"
#include "bind.hpp"

namespace handnn {

namespace {

// What the products of `kernels` work in.
template <class T>
T* scratch(const Kernels<T>& kernels) {
  return scratch_memory<T>(kernels.scratch_size);
}

void require_product(const Gate& gate, const Array& x, const Array& w) {
  gate.require_dimensions(x, 2);
  gate.require_dimensions(w, 2);
  if (x.shape[1] != w.shape[0])
    gate.bad_value("x has ", x.shape[1], " columns but w has ", w.shape[0], " rows");
}

py::array affine_forward(py::handle x_any, py::handle w_any, py::handle b_any, py::handle out_any) {
  Gate gate("affine_forward");
  Array x, w, b;
  gate.inputs({{"x", x_any, x}, {"w", w_any, w}, {"b", b_any, b}});
  require_product(gate, x, w);
  const Size N = x.shape[0], I = w.shape[0], O = w.shape[1];
  gate.require_dimensions(b, 1);
  if (b.size != O) gate.bad_value("b has ", b.size, " elements but w has ", O, " columns");
  const Array out = gate.output("out", out_any, {N, O});

  gate.run(double(N) * I * O,
           [&](auto& kernels) { kernels.affine_forward(out, x, w, b, scratch(kernels), N, I, O); });
  return out.as_array();
}

py::typing::Tuple<py::array, py::array, py::array> affine_backward(
    py::handle dout_any, py::handle x_any, py::handle w_any, py::handle dx_any, py::handle dw_any,
    py::handle db_any) {
  Gate gate("affine_backward");
  Array dout, x, w;
  gate.inputs({{"dout", dout_any, dout}, {"x", x_any, x}, {"w", w_any, w}});
  require_product(gate, x, w);
  const Size N = x.shape[0], I = w.shape[0], O = w.shape[1];
  gate.require_dimensions(dout, 2);
  if (dout.shape[0] != N) gate.bad_value("dout has ", dout.shape[0], " rows but x has ", N);
  if (dout.shape[1] != O) gate.bad_value("dout has ", dout.shape[1], " columns but w has ", O);
  const Array dx = gate.output("dx", dx_any, {N, I});
  const Array dw = gate.output("dw", dw_any, {I, O});
  const Array db = gate.output("db", db_any, {O});

  gate.run(2.0 * N * I * O, [&](auto& kernels) {
    kernels.affine_backward(dx, dw, db, dout, x, w, scratch(kernels), N, I, O);
  });
  return py::make_tuple(dx.object, dw.object, db.object);
}

// A brick that works entry by entry, in any shape. `kernel_of` picks its kernel; `cost` is about
// how many multiply-adds an entry is worth.
template <class F>
py::array elementwise_forward(const char* function, py::handle x_any, py::handle out_any,
                              double cost, F kernel_of) {
  Gate gate(function);
  Array x;
  gate.inputs({{"x", x_any, x}});
  const Array out = gate.output_like("out", out_any, x);

  gate.run(cost * double(x.size), [&](auto& kernels) { kernel_of(kernels)(out, x, x.size); });
  return out.as_array();
}

// Its backward, which needs what the forward `kept`: x or out.
template <class F>
py::array elementwise_backward(const char* function, py::handle dout_any, const char* kept_name,
                               py::handle kept_any, py::handle dx_any, F kernel_of) {
  Gate gate(function);
  Array dout, kept;
  gate.inputs({{"dout", dout_any, dout}, {kept_name, kept_any, kept}});
  gate.require_same_shape(dout, kept);
  const Array dx = gate.output_like("dx", dx_any, kept);

  gate.run(double(dx.size), [&](auto& kernels) { kernel_of(kernels)(dx, dout, kept, dx.size); });
  return dx.as_array();
}

py::array relu_forward(py::handle x, py::handle out) {
  return elementwise_forward("relu_forward", x, out, 1, [](auto& k) { return k.relu_forward; });
}

py::array relu_backward(py::handle dout, py::handle x, py::handle dx) {
  return elementwise_backward("relu_backward", dout, "x", x, dx,
                              [](auto& k) { return k.relu_backward; });
}

py::array sigmoid_forward(py::handle x, py::handle out) {
  return elementwise_forward("sigmoid_forward", x, out, 8,
                             [](auto& k) { return k.sigmoid_forward; });
}

py::array sigmoid_backward(py::handle dout, py::handle out, py::handle dx) {
  return elementwise_backward("sigmoid_backward", dout, "out", out, dx,
                              [](auto& k) { return k.sigmoid_backward; });
}

}  // namespace

void bind_layers(py::module_& module) {
  module.def("affine_forward", affine_forward, py::arg("x"), py::arg("w"), py::arg("b"),
             py::arg("out") = py::none());
  module.def("affine_backward", affine_backward, py::arg("dout"), py::arg("x"), py::arg("w"),
             py::arg("dx") = py::none(), py::arg("dw") = py::none(), py::arg("db") = py::none());
  module.def("relu_forward", relu_forward, py::arg("x"), py::arg("out") = py::none());
  module.def("relu_backward", relu_backward, py::arg("dout"), py::arg("x"),
             py::arg("dx") = py::none());
  module.def("sigmoid_forward", sigmoid_forward, py::arg("x"), py::arg("out") = py::none());
  module.def("sigmoid_backward", sigmoid_backward, py::arg("dout"), py::arg("out"),
             py::arg("dx") = py::none());
}

}  // namespace handnn
