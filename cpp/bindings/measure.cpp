#include "engine/measure.hpp"

#include <pybind11/typing.h>

#include <algorithm>
#include <string>

#include "bind.hpp"
#include "gil.hpp"

namespace handnn {

namespace py = pybind11;

namespace {

Product product_called(const std::string& form) {
  if (form == "nn") return Product::nn;
  if (form == "tn") return Product::tn;
  if (form == "nt") return Product::nt;
  throw py::value_error("measure_product: form must be \"nn\", \"tn\" or \"nt\", but is \"" + form +
                        "\"");
}

double fma_peak(double seconds, bool float32) {
  return (float32 ? measure_fma_peak<float> : measure_fma_peak<double>)(seconds);
}

py::typing::Tuple<double, double> product_beside_peak(const std::string& form, Size N, Size I,
                                                      Size O, bool float32, double seconds) {
  const Product product = product_called(form);
  if (std::min({N, I, O}) < 1 || std::max({N, I, O}) > 4096) {
    throw py::value_error("measure_product: N, I and O must be from 1 to 4096");
  }
  Speeds speeds;
  {
    const Unlocked unlocked;
    speeds =
        (float32 ? measure_product<float> : measure_product<double>)(product, N, I, O, seconds);
  }
  return py::make_tuple(speeds.product, speeds.peak);
}

}  // namespace

void bind_measure(py::module_& module) {
  module.def("measure_fma_peak", fma_peak, py::arg("seconds"), py::arg("float32") = true,
             py::call_guard<Unlocked>());
  module.def("measure_product", product_beside_peak, py::arg("form"), py::arg("N"), py::arg("I"),
             py::arg("O"), py::arg("float32"), py::arg("seconds"));
}

}  // namespace handnn
