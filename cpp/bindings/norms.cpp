#include <pybind11/typing.h>

#include "arrays.hpp"
#include "bind.hpp"

namespace handnn {

namespace {

using ThreeArrays = py::typing::Tuple<py::array, py::array, py::array>;
using TwoArrays = py::typing::Tuple<py::array, py::array>;

py::array softmax_forward(py::handle x_any, py::handle out_any) {
  Gate gate("softmax_forward");
  Array x;
  gate.inputs({{"x", x_any, x}});
  gate.require_dimensions(x, 2);
  const Array out = gate.output_like("out", out_any, x);

  gate.run(8 * double(x.size),
           [&](auto& kernels) { kernels.softmax_forward(out, x, x.shape[0], x.shape[1]); });
  return out.as_array();
}

py::array softmax_backward(py::handle dout_any, py::handle out_any, py::handle dx_any) {
  Gate gate("softmax_backward");
  Array dout, out;
  gate.inputs({{"dout", dout_any, dout}, {"out", out_any, out}});
  gate.require_dimensions(out, 2);
  gate.require_same_shape(dout, out);
  const Array dx = gate.output_like("dx", dx_any, out);

  gate.run(4 * double(out.size), [&](auto& kernels) {
    kernels.softmax_backward(dx, dout, out, out.shape[0], out.shape[1]);
  });
  return dx.as_array();
}

void require_vector(const Gate& gate, const Array& array, Size size, const char* what) {
  gate.require_dimensions(array, 1);
  if (array.size != size) {
    gate.bad_value(array.name, " has ", array.size, " elements but x has ", size, " ", what);
  }
}

ThreeArrays layer_norm_forward(py::handle x_any, py::handle gamma_any, py::handle beta_any,
                               py::handle eps_any, py::handle out_any, py::handle mean_any,
                               py::handle rstd_any) {
  Gate gate("layer_norm_forward");
  const double eps = gate.number("eps", eps_any);
  Array x, gamma, beta;
  gate.inputs({{"x", x_any, x}, {"gamma", gamma_any, gamma}, {"beta", beta_any, beta}});
  gate.require_dimensions(x, 2);
  const Size N = x.shape[0], O = x.shape[1];
  require_vector(gate, gamma, O, "columns");
  require_vector(gate, beta, O, "columns");
  const Array out = gate.output_like("out", out_any, x);
  const Array mean = gate.output("mean", mean_any, {N});
  const Array rstd = gate.output("rstd", rstd_any, {N});

  gate.run(6 * double(x.size), [&]<class T>(const Kernels<T>& kernels) {
    kernels.layer_norm_forward(out, mean, rstd, x, gamma, beta, T(eps), N, O);
  });
  return py::make_tuple(out.object, mean.object, rstd.object);
}

ThreeArrays layer_norm_backward(py::handle dout_any, py::handle x_any, py::handle mean_any,
                                py::handle rstd_any, py::handle gamma_any, py::handle dx_any,
                                py::handle dgamma_any, py::handle dbeta_any) {
  Gate gate("layer_norm_backward");
  Array dout, x, mean, rstd, gamma;
  gate.inputs({{"dout", dout_any, dout},
               {"x", x_any, x},
               {"mean", mean_any, mean},
               {"rstd", rstd_any, rstd},
               {"gamma", gamma_any, gamma}});
  gate.require_dimensions(x, 2);
  gate.require_same_shape(dout, x);
  const Size N = x.shape[0], O = x.shape[1];
  require_vector(gate, mean, N, "rows");
  require_vector(gate, rstd, N, "rows");
  require_vector(gate, gamma, O, "columns");
  const Array dx = gate.output_like("dx", dx_any, x);
  const Array dgamma = gate.output("dgamma", dgamma_any, {O});
  const Array dbeta = gate.output("dbeta", dbeta_any, {O});

  gate.run(8 * double(x.size), [&](auto& kernels) {
    kernels.layer_norm_backward(dx, dout, x, mean, rstd, gamma, N, O);
    kernels.layer_norm_gradients(dgamma, dbeta, dout, x, mean, rstd, N, O, 0, O);
  });
  return py::make_tuple(dx.object, dgamma.object, dbeta.object);
}

ThreeArrays batch_norm_forward(py::handle x_any, py::handle gamma_any, py::handle beta_any,
                               py::handle running_mean_any, py::handle running_var_any,
                               py::handle momentum_any, py::handle eps_any, py::handle out_any,
                               py::handle mean_any, py::handle rstd_any) {
  Gate gate("batch_norm_forward");
  const double momentum = gate.number("momentum", momentum_any);
  const double eps = gate.number("eps", eps_any);
  Array x, gamma, beta, running_mean, running_var;
  gate.inputs({{"x", x_any, x},
               {"gamma", gamma_any, gamma},
               {"beta", beta_any, beta},
               {"running_mean", running_mean_any, running_mean},
               {"running_var", running_var_any, running_var}});
  gate.require_writable(running_mean, running_mean_any);
  gate.require_writable(running_var, running_var_any);
  gate.require_dimensions(x, 2);
  const Size N = x.shape[0], O = x.shape[1];
  if (N < 2) gate.bad_value("x has ", N, N == 1 ? " row" : " rows", ", but must have 2 or more");
  for (const Array* array : {&gamma, &beta, &running_mean, &running_var}) {
    require_vector(gate, *array, O, "columns");
  }
  const Array out = gate.output_like("out", out_any, x);
  const Array mean = gate.output("mean", mean_any, {O});
  const Array rstd = gate.output("rstd", rstd_any, {O});

  gate.run(6 * double(x.size), [&]<class T>(const Kernels<T>& kernels) {
    kernels.batch_norm_forward(out, mean, rstd, running_mean, running_var, x, gamma, beta, T(eps),
                               T(momentum), N, O, 0, O);
  });
  return py::make_tuple(out.object, mean.object, rstd.object);
}

TwoArrays batch_norm_predict(py::handle x_any, py::handle gamma_any, py::handle beta_any,
                             py::handle running_mean_any, py::handle running_var_any,
                             py::handle eps_any, py::handle out_any, py::handle rstd_any) {
  Gate gate("batch_norm_predict");
  const double eps = gate.number("eps", eps_any);
  Array x, gamma, beta, running_mean, running_var;
  gate.inputs({{"x", x_any, x},
               {"gamma", gamma_any, gamma},
               {"beta", beta_any, beta},
               {"running_mean", running_mean_any, running_mean},
               {"running_var", running_var_any, running_var}});
  gate.require_dimensions(x, 2);
  const Size N = x.shape[0], O = x.shape[1];
  for (const Array* array : {&gamma, &beta, &running_mean, &running_var}) {
    require_vector(gate, *array, O, "columns");
  }
  const Array out = gate.output_like("out", out_any, x);
  const Array rstd = gate.output("rstd", rstd_any, {O});

  gate.run(2 * double(x.size), [&]<class T>(const Kernels<T>& kernels) {
    kernels.batch_norm_rstd(rstd, running_var, T(eps), 0, O);
    kernels.batch_norm_apply(out, x, running_mean, rstd, gamma, beta, N, O, 0, O);
  });
  return py::make_tuple(out.object, rstd.object);
}

ThreeArrays batch_norm_backward(py::handle dout_any, py::handle x_any, py::handle mean_any,
                                py::handle rstd_any, py::handle gamma_any, py::handle training_any,
                                py::handle dx_any, py::handle dgamma_any, py::handle dbeta_any) {
  Gate gate("batch_norm_backward");
  const bool training = gate.flag("training", training_any);
  Array dout, x, mean, rstd, gamma;
  gate.inputs({{"dout", dout_any, dout},
               {"x", x_any, x},
               {"mean", mean_any, mean},
               {"rstd", rstd_any, rstd},
               {"gamma", gamma_any, gamma}});
  gate.require_dimensions(x, 2);
  gate.require_same_shape(dout, x);
  const Size N = x.shape[0], O = x.shape[1];
  for (const Array* array : {&mean, &rstd, &gamma}) require_vector(gate, *array, O, "columns");
  const Array dx = gate.output_like("dx", dx_any, x);
  const Array dgamma = gate.output("dgamma", dgamma_any, {O});
  const Array dbeta = gate.output("dbeta", dbeta_any, {O});

  gate.run(8 * double(x.size), [&](auto& kernels) {
    kernels.batch_norm_gradients(dgamma, dbeta, dout, x, mean, rstd, N, O, 0, O);
    kernels.batch_norm_backward(dx, dout, x, mean, rstd, gamma, dgamma, dbeta, training, N, O, 0,
                                O);
  });
  return py::make_tuple(dx.object, dgamma.object, dbeta.object);
}

}  // namespace

void bind_norms(py::module_& module) {
  const py::arg x("x"), dout("dout"), gamma("gamma"), beta("beta"), kept_mean("mean"),
      kept_rstd("rstd"), running_mean("running_mean"), running_var("running_var"), eps("eps");
  const py::arg_v out = py::arg("out") = py::none(), dx = py::arg("dx") = py::none(),
                  mean = py::arg("mean") = py::none(), rstd = py::arg("rstd") = py::none(),
                  dgamma = py::arg("dgamma") = py::none(), dbeta = py::arg("dbeta") = py::none();
  module.def("softmax_forward", softmax_forward, x, out);
  module.def("softmax_backward", softmax_backward, dout, py::arg("out"), dx);
  module.def("layer_norm_forward", layer_norm_forward, x, gamma, beta, eps, out, mean, rstd);
  module.def("layer_norm_backward", layer_norm_backward, dout, x, kept_mean, kept_rstd, gamma, dx,
             dgamma, dbeta);
  module.def("batch_norm_forward", batch_norm_forward, x, gamma, beta, running_mean, running_var,
             py::arg("momentum"), eps, out, mean, rstd);
  module.def("batch_norm_predict", batch_norm_predict, x, gamma, beta, running_mean, running_var,
             eps, out, rstd);
  module.def("batch_norm_backward", batch_norm_backward, dout, x, kept_mean, kept_rstd, gamma,
             py::arg("training"), dx, dgamma, dbeta);
}

}  // namespace handnn
