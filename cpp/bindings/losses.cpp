#include <algorithm>
#include <cmath>

#include "arrays.hpp"
#include "bind.hpp"

namespace handnn {

namespace {

template <class T>
bool finite_and_not_negative(const Kernels<T>&, const Array& array) {
  const T* values = array;
  return std::all_of(values, values + array.size,
                     [](T value) { return value >= 0 && std::isfinite(value); });
}

// What a loss over rows takes: pre (N, O), y_true (N, O), and sample_weight (N,) or None.
struct Rows {
  Array pre, y_true, sample_weight;
  Size N = 0, O = 0;

  Rows(Gate& gate, py::handle pre_any, py::handle y_true_any, py::handle sample_weight_any) {
    if (sample_weight_any.is_none()) {
      gate.inputs({{"pre", pre_any, pre}, {"y_true", y_true_any, y_true}});
    } else {
      gate.inputs({{"pre", pre_any, pre},
                   {"y_true", y_true_any, y_true},
                   {"sample_weight", sample_weight_any, sample_weight}});
    }
    gate.require_dimensions(pre, 2);
    N = pre.shape[0];
    O = pre.shape[1];
    const bool one_column = O == 1 && y_true.dimensions == 1 && y_true.size == N;
    if (!one_column) gate.require_same_shape(pre, y_true);

    if (!sample_weight.object) return;
    gate.require_dimensions(sample_weight, 1);
    if (sample_weight.size != N) {
      gate.bad_value("sample_weight has ", sample_weight.size, " elements but pre has ", N,
                     " rows");
    }
    if (!gate.run(0,
                  [&](auto& kernels) { return finite_and_not_negative(kernels, sample_weight); })) {
      gate.bad_value("sample_weight must be finite and not negative");
    }
  }
};

double mse_loss_forward(py::handle pre_any, py::handle y_true_any, py::handle sample_weight_any) {
  Gate gate("mse_loss_forward");
  const Rows rows(gate, pre_any, y_true_any, sample_weight_any);

  return gate.run(rows.pre.size, [&](auto& kernels) {
    return kernels.mse_loss_forward(rows.pre, rows.y_true, rows.sample_weight, rows.N, rows.O);
  });
}

// gradient "exact": the derivative of the mean, 2 (pre - y_true) / (N O); "article": the article's,
// pre - y_true.
py::array mse_loss_backward(py::handle pre_any, py::handle y_true_any, py::handle dout_any,
                            py::handle sample_weight_any, py::handle gradient_any,
                            py::handle dx_any) {
  Gate gate("mse_loss_backward");
  const double dout = gate.number("dout", dout_any);
  const std::string gradient = gate.word("gradient", gradient_any);
  const bool exact = gradient == "exact";
  if (!exact && gradient != "article") {
    gate.bad_value("gradient must be \"exact\" or \"article\", but is \"", gradient, "\"");
  }
  const Rows rows(gate, pre_any, y_true_any, sample_weight_any);
  const Array dx = gate.output_like("dx", dx_any, rows.pre);

  const double scale = exact ? 2.0 * dout / double(rows.pre.size) : dout;
  gate.run(rows.pre.size, [&](auto& kernels) {
    kernels.mse_loss_backward(dx, rows.pre, rows.y_true, rows.sample_weight, scale, rows.N, rows.O);
  });
  return dx.as_array();
}

}  // namespace

void bind_losses(py::module_& module) {
  module.def("mse_loss_forward", mse_loss_forward, py::arg("pre"), py::arg("y_true"),
             py::arg("sample_weight") = py::none());
  module.def("mse_loss_backward", mse_loss_backward, py::arg("pre"), py::arg("y_true"),
             py::arg("dout") = 1.0, py::arg("sample_weight") = py::none(),
             py::arg("gradient") = "exact", py::arg("dx") = py::none());
}

}  // namespace handnn
