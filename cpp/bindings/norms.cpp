// Bricks that normalize rows or columns: Softmax, LayerNorm, BatchNorm.
#include <pybind11/typing.h>

#include "arrays.hpp"
#include "bind.hpp"

namespace handnn {

namespace {

using TwoArrays = py::typing::Tuple<FloatArray, FloatArray>;
using ThreeArrays = py::typing::Tuple<FloatArray, FloatArray, FloatArray>;
using ThreeOutArrays = py::typing::Tuple<OutArray, OutArray, OutArray>;

// The approximate cost of an entry, in multiply-adds.
constexpr double softmax_cost = 16, norm_cost = 8;

void require_for_columns(const Gate& gate, const Array& array, const Array& x) {
  gate.require_dimensions(array, 1);
  if (array.size == x.shape[1]) return;
  gate.bad_value(array.name, " has ", array.size, " elements but ", x.name, " has ", x.shape[1],
                 " columns");
}

void require_for_rows(const Gate& gate, const Array& array, const Array& x) {
  gate.require_dimensions(array, 1);
  if (array.size == x.shape[0]) return;
  gate.bad_value(array.name, " has ", array.size, " elements but ", x.name, " has ", x.shape[0],
                 " rows");
}

FloatArray softmax_forward(ArrayLike x_any, OutArray out_any) {
  Gate gate("softmax_forward");
  Array x;
  gate.inputs({{"x", x_any, x}});
  gate.require_dimensions(x, 2);
  const Size N = x.shape[0], O = x.shape[1];
  const Array out = gate.output("out", out_any, {N, O});

  if (O == 0) return out.as_array();  // skips a loop over a huge N
  gate.run(softmax_cost * double(x.size),
           [&](auto& kernels) { kernels.softmax_forward(out, x, N, O); });
  return out.as_array();
}

FloatArray softmax_backward(ArrayLike dout_any, ArrayLike out_any, OutArray dx_any) {
  Gate gate("softmax_backward");
  Array dout, out;
  gate.inputs({{"dout", dout_any, dout}, {"out", out_any, out}});
  gate.require_dimensions(dout, 2);
  gate.require_same_shape(dout, out);
  const Size N = out.shape[0], O = out.shape[1];
  const Array dx = gate.output("dx", dx_any, {N, O});

  if (O == 0) return dx.as_array();
  gate.run(2 * double(dx.size),
           [&](auto& kernels) { kernels.softmax_backward(dx, dout, out, N, O); });
  return dx.as_array();
}

ThreeArrays layer_norm_forward(ArrayLike x_any, ArrayLike gamma_any, ArrayLike beta_any,
                               Number eps_any, OutArray out_any, OutArray mean_any,
                               OutArray rstd_any) {
  Gate gate("layer_norm_forward");
  const double eps = gate.number("eps", eps_any);
  Array x, gamma, beta;
  gate.inputs({{"x", x_any, x}, {"gamma", gamma_any, gamma}, {"beta", beta_any, beta}});
  gate.require_dimensions(x, 2);
  require_for_columns(gate, gamma, x);
  require_for_columns(gate, beta, x);
  const Size N = x.shape[0], O = x.shape[1];
  const Array out = gate.output("out", out_any, {N, O});
  const Array mean = gate.output("mean", mean_any, {N});
  const Array rstd = gate.output("rstd", rstd_any, {N});

  gate.run(norm_cost * double(x.size), [&]<class T>(const Kernels<T>& kernels) {
    kernels.layer_norm_forward(out, mean, rstd, x, {gamma, beta, T(eps)}, N, O);
  });
  return py::make_tuple(out.object, mean.object, rstd.object);
}

ThreeArrays layer_norm_backward(ArrayLike dout_any, ArrayLike x_any, ArrayLike gamma_any,
                                ArrayLike mean_any, ArrayLike rstd_any, OutArray dx_any,
                                OutArray dgamma_any, OutArray dbeta_any) {
  Gate gate("layer_norm_backward");
  Array dout, x, gamma, mean, rstd;
  gate.inputs({{"dout", dout_any, dout},
               {"x", x_any, x},
               {"gamma", gamma_any, gamma},
               {"mean", mean_any, mean},
               {"rstd", rstd_any, rstd}});
  gate.require_dimensions(dout, 2);
  gate.require_same_shape(dout, x);
  require_for_columns(gate, gamma, x);
  require_for_rows(gate, mean, x);
  require_for_rows(gate, rstd, x);
  const Size N = x.shape[0], O = x.shape[1];
  const Array dx = gate.output("dx", dx_any, {N, O});
  const Array dgamma = gate.output("dgamma", dgamma_any, {O});
  const Array dbeta = gate.output("dbeta", dbeta_any, {O});

  gate.run(norm_cost * double(x.size), [&](auto& kernels) {
    kernels.layer_norm_dx(dx, dout, x, gamma, mean, rstd, N, O);
    kernels.layer_norm_dparams({dgamma, dbeta}, dout, x, mean, rstd, N, O, {0, O});
  });
  return py::make_tuple(dx.object, dgamma.object, dbeta.object);
}

TwoArrays batch_norm_statistics(ArrayLike x_any, OutArray mean_any, OutArray var_any) {
  Gate gate("batch_norm_statistics");
  Array x;
  gate.inputs({{"x", x_any, x}});
  gate.require_dimensions(x, 2);
  const Size N = x.shape[0], O = x.shape[1];
  const Array mean = gate.output("mean", mean_any, {O});
  const Array var = gate.output("var", var_any, {O});

  gate.run(norm_cost * double(x.size),
           [&](auto& kernels) { kernels.batch_norm_statistics(mean, var, x, N, O, {0, O}); });
  return py::make_tuple(mean.object, var.object);
}

// mean and var of `rows` rows are merged in place with those of more_rows others.
void batch_norm_merge(InOutArray mean_any, InOutArray var_any, ArrayLike more_mean_any,
                      ArrayLike more_var_any, Size rows, Size more_rows) {
  Gate gate("batch_norm_merge");
  if (rows < 1 || more_rows < 1) gate.bad_value("rows and more_rows must be at least 1");
  Array mean, var, more_mean, more_var;
  gate.inputs({{"mean", mean_any, mean},
               {"var", var_any, var},
               {"more_mean", more_mean_any, more_mean},
               {"more_var", more_var_any, more_var}});
  gate.require_writable(mean, mean_any);
  gate.require_writable(var, var_any);
  gate.require_dimensions(mean, 1);
  for (const Array* array : {&var, &more_mean, &more_var}) gate.require_same_shape(*array, mean);

  gate.run(double(mean.size), [&]<class T>(const Kernels<T>& kernels) {
    kernels.batch_norm_merge(mean, var, more_mean, more_var, T(more_rows) / T(rows + more_rows),
                             {0, mean.size});
  });
}

// running_mean and running_var are updated in place, so they are checked as strictly as outputs.
void batch_norm_update(InOutArray running_mean_any, InOutArray running_var_any, ArrayLike mean_any,
                       ArrayLike var_any, Size rows, Number momentum_any) {
  Gate gate("batch_norm_update");
  const double momentum = gate.number("momentum", momentum_any);
  Array running_mean, running_var, mean, var;
  gate.inputs({{"running_mean", running_mean_any, running_mean},
               {"running_var", running_var_any, running_var},
               {"mean", mean_any, mean},
               {"var", var_any, var}});
  gate.require_writable(running_mean, running_mean_any);
  gate.require_writable(running_var, running_var_any);
  gate.require_dimensions(running_mean, 1);
  for (const Array* array : {&running_var, &mean, &var}) {
    gate.require_same_shape(*array, running_mean);
  }

  gate.run(double(mean.size), [&](auto& kernels) {
    kernels.batch_norm_update(running_mean, running_var, mean, var, momentum, rows, {0, mean.size});
  });
}

FloatArray batch_norm_forward(ArrayLike x_any, ArrayLike gamma_any, ArrayLike beta_any,
                              ArrayLike mean_any, ArrayLike var_any, Number eps_any,
                              OutArray out_any) {
  Gate gate("batch_norm_forward");
  const double eps = gate.number("eps", eps_any);
  Array x, gamma, beta, mean, var;
  gate.inputs({{"x", x_any, x},
               {"gamma", gamma_any, gamma},
               {"beta", beta_any, beta},
               {"mean", mean_any, mean},
               {"var", var_any, var}});
  gate.require_dimensions(x, 2);
  for (const Array* array : {&gamma, &beta, &mean, &var}) require_for_columns(gate, *array, x);
  const Size N = x.shape[0], O = x.shape[1];
  const Array out = gate.output("out", out_any, {N, O});

  gate.run(double(x.size), [&]<class T>(const Kernels<T>& kernels) {
    const ColumnNorm<T> norm = {{gamma, beta, T(eps)}, mean, var};
    kernels.batch_norm_forward(out, x, norm, N, O, {0, O});
  });
  return out.as_array();
}

ThreeArrays batch_norm_backward(ArrayLike dout_any, ArrayLike x_any, ArrayLike gamma_any,
                                ArrayLike mean_any, ArrayLike var_any, Number eps_any,
                                Flag training_any, const ThreeOutArrays& grads_any) {
  Gate gate("batch_norm_backward");
  if (grads_any.size() != 3) gate.bad_value("grads must be dx, dgamma and dbeta");
  const double eps = gate.number("eps", eps_any);
  const bool training = gate.flag("training", training_any);
  Array dout, x, gamma, mean, var;
  gate.inputs({{"dout", dout_any, dout},
               {"x", x_any, x},
               {"gamma", gamma_any, gamma},
               {"mean", mean_any, mean},
               {"var", var_any, var}});
  gate.require_dimensions(dout, 2);
  gate.require_same_shape(dout, x);
  for (const Array* array : {&gamma, &mean, &var}) require_for_columns(gate, *array, x);
  const Size N = x.shape[0], O = x.shape[1];
  const Array dx = gate.output("dx", grads_any[0], {N, O});
  const Array dgamma = gate.output("dgamma", grads_any[1], {O});
  const Array dbeta = gate.output("dbeta", grads_any[2], {O});

  gate.run(norm_cost * double(x.size), [&]<class T>(const Kernels<T>& kernels) {
    const ColumnNorm<T> norm = {{gamma, nullptr, T(eps)}, mean, var, training};
    kernels.batch_norm_backward(dx, {dgamma, dbeta}, dout, x, norm, N, O, {0, O});
  });
  return py::make_tuple(dx.object, dgamma.object, dbeta.object);
}

// dgamma and dbeta are sums over the batch_rows rows of a batch; those of x are a part of it.
FloatArray batch_norm_dx(ArrayLike dout_any, ArrayLike x_any, ArrayLike gamma_any,
                         const TwoArrays& statistics_any, Number eps_any,
                         const TwoArrays& grads_any, Size batch_rows) {
  Gate gate("batch_norm_dx");
  if (statistics_any.size() != 2) gate.bad_value("statistics must be mean and var");
  if (grads_any.size() != 2) gate.bad_value("grads must be dgamma and dbeta");
  const double eps = gate.number("eps", eps_any);
  Array dout, x, gamma, mean, var, dgamma, dbeta;
  gate.inputs({{"dout", dout_any, dout},
               {"x", x_any, x},
               {"gamma", gamma_any, gamma},
               {"mean", statistics_any[0], mean},
               {"var", statistics_any[1], var},
               {"dgamma", grads_any[0], dgamma},
               {"dbeta", grads_any[1], dbeta}});
  gate.require_dimensions(dout, 2);
  gate.require_same_shape(dout, x);
  for (const Array* array : {&gamma, &mean, &var, &dgamma, &dbeta}) {
    require_for_columns(gate, *array, x);
  }
  const Size N = x.shape[0], O = x.shape[1];
  if (batch_rows < N) gate.bad_value("batch_rows is ", batch_rows, " but x has ", N, " rows");
  const Array dx = gate.output("dx", py::none(), {N, O});

  gate.run(double(x.size), [&]<class T>(const Kernels<T>& kernels) {
    const ColumnNorm<T> norm = {{gamma, nullptr, T(eps)}, mean, var, true};
    kernels.batch_norm_dx(dx, dout, x, norm, {dgamma, dbeta, batch_rows}, N, O, {0, O});
  });
  return dx.as_array();
}

}  // namespace

void bind_norms(py::module_& module) {
  const py::arg x("x"), out_("out"), dout("dout"), gamma("gamma"), beta("beta"), mean_("mean"),
      var_("var"), rstd_("rstd"), eps("eps");
  const py::arg_v out = out_ = py::none(), dx = py::arg("dx") = py::none(),
                  mean = mean_ = py::none(), var = var_ = py::none(), rstd = rstd_ = py::none(),
                  dgamma = py::arg("dgamma") = py::none(), dbeta = py::arg("dbeta") = py::none();
  module.def("softmax_forward", softmax_forward, x, out);
  module.def("softmax_backward", softmax_backward, dout, out_, dx);
  module.def("layer_norm_forward", layer_norm_forward, x, gamma, beta, eps, out, mean, rstd);
  module.def("layer_norm_backward", layer_norm_backward, dout, x, gamma, mean_, rstd_, dx, dgamma,
             dbeta);
  module.def("batch_norm_statistics", batch_norm_statistics, x, mean, var);
  module.def("batch_norm_update", batch_norm_update, py::arg("running_mean"),
             py::arg("running_var"), mean_, var_, py::arg("rows"), py::arg("momentum"));
  module.def("batch_norm_forward", batch_norm_forward, x, gamma, beta, mean_, var_, eps, out);
  module.def("batch_norm_backward", batch_norm_backward, dout, x, gamma, mean_, var_, eps,
             py::arg("training"), py::arg("grads"));
  module.def("batch_norm_merge", batch_norm_merge, mean_, var_, py::arg("more_mean"),
             py::arg("more_var"), py::arg("rows"), py::arg("more_rows"));
  module.def("batch_norm_dx", batch_norm_dx, dout, x, gamma, py::arg("statistics"), eps,
             py::arg("grads"), py::arg("batch_rows"));
}

}  // namespace handnn
