#include <pybind11/typing.h>

#include <cmath>

#include "arrays.hpp"
#include "bind.hpp"

namespace handnn {

namespace {

void check_codes(const Gate& gate, const Array& x, const Array& w, Size column) {
  gate.require_dimensions(x, 2);
  gate.require_dimensions(w, 2);
  const Size N = x.shape[0], I = x.shape[1], K = w.shape[0];
  if (column < 0 || column >= I) {
    gate.bad_value("column is ", column, ", but x has ", I, I == 1 ? " column" : " columns");
  }
  gate.run(0, [&]<class T>(const Kernels<T>&) {
    const T* code = static_cast<const T*>(x) + column;
    for (Size n = 0; n < N; ++n, code += I) {
      if (*code >= 0 && *code < T(K) && *code == std::floor(*code)) continue;
      gate.bad_value("row ", n, " of x has ", *code, " in column ", column,
                     ", but a code must be a whole number from 0 to ", K - 1);
    }
  });
}

py::array embedding_forward(py::handle x_any, py::handle w_any, Size column, py::handle out_any) {
  Gate gate("embedding_forward");
  Array x, w;
  gate.inputs({{"x", x_any, x}, {"w", w_any, w}});
  check_codes(gate, x, w, column);
  const Size N = x.shape[0], I = x.shape[1], K = w.shape[0], D = w.shape[1];
  const Array out = gate.output("out", out_any, {N, I - 1 + D});

  gate.run(double(out.size),
           [&](auto& kernels) { kernels.embedding_forward(out, x, w, N, I, K, D, column); });
  return out.as_array();
}

py::typing::Tuple<py::array, py::array> embedding_backward(py::handle dout_any, py::handle x_any,
                                                           py::handle w_any, Size column,
                                                           py::handle dx_any, py::handle dw_any) {
  Gate gate("embedding_backward");
  Array dout, x, w;
  gate.inputs({{"dout", dout_any, dout}, {"x", x_any, x}, {"w", w_any, w}});
  check_codes(gate, x, w, column);
  const Size N = x.shape[0], I = x.shape[1], K = w.shape[0], D = w.shape[1];
  gate.require_dimensions(dout, 2);
  if (dout.shape[0] != N) gate.bad_value("dout has ", dout.shape[0], " rows but x has ", N);
  if (dout.shape[1] != I - 1 + D) {
    gate.bad_value("dout has ", dout.shape[1], " columns, but must have ", I - 1 + D);
  }
  const Array dx = gate.output("dx", dx_any, {N, I});
  const Array dw = gate.output("dw", dw_any, {K, D});

  gate.run(2 * double(dout.size) + double(dw.size), [&](auto& kernels) {
    kernels.embedding_backward(dx, dout, N, I, D, column);
    kernels.embedding_gradient(dw, dout, x, N, I, K, D, column);
  });
  return py::make_tuple(dx.object, dw.object);
}

}  // namespace

void bind_embedding(py::module_& module) {
  module.def("embedding_forward", embedding_forward, py::arg("x"), py::arg("w"), py::arg("column"),
             py::arg("out") = py::none());
  module.def("embedding_backward", embedding_backward, py::arg("dout"), py::arg("x"), py::arg("w"),
             py::arg("column"), py::arg("dx") = py::none(), py::arg("dw") = py::none());
}

}  // namespace handnn
