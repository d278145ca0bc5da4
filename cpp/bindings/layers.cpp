#include <pybind11/typing.h>

#include "arrays.hpp"
#include "bind.hpp"
#include "codes.hpp"
#include "kernels/layers/embedding.hpp"

namespace handnn {

namespace {

// Scratch memory for the products of `kernels`.
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

FloatArray affine_forward(ArrayLike x_any, ArrayLike w_any, ArrayLike b_any, OutArray out_any) {
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

py::typing::Tuple<FloatArray, FloatArray, FloatArray> affine_backward(
    ArrayLike dout_any, ArrayLike x_any, ArrayLike w_any, OutArray dx_any, OutArray dw_any,
    OutArray db_any) {
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
    kernels.affine_backward({dx, dw, db}, dout, x, w, scratch(kernels), N, I, O);
  });
  return py::make_tuple(dx.object, dw.object, db.object);
}

// The checked probability of dropping an entry.
double drop_probability(const Gate& gate, Number p_any) {
  const double p = gate.number("p", p_any);
  if (!(p >= 0 && p < 1)) gate.bad_value("p must be at least 0 and below 1, but is ", p);
  return p;
}

FloatArray dropout_forward(ArrayLike x_any, Number p_any, std::uint64_t seed, std::uint64_t step,
                           Size first, OutArray out_any) {
  Gate gate("dropout_forward");
  const double p = drop_probability(gate, p_any);
  Array x;
  gate.inputs({{"x", x_any, x}});
  const Array out = gate.output_like("out", out_any, x);

  gate.run(2.0 * x.size,
           [&](auto& kernels) { kernels.dropout_forward(out, x, seed, step, p, first, x.size); });
  return out.as_array();
}

FloatArray dropout_backward(ArrayLike dout_any, Number p_any, std::uint64_t seed,
                            std::uint64_t step, Size first, OutArray dx_any) {
  Gate gate("dropout_backward");
  const double p = drop_probability(gate, p_any);
  Array dout;
  gate.inputs({{"dout", dout_any, dout}});
  const Array dx = gate.output_like("dx", dx_any, dout);

  gate.run(2.0 * dout.size, [&](auto& kernels) {
    kernels.dropout_backward(dx, dout, seed, step, p, first, dout.size);
  });
  return dx.as_array();
}

void require_codes(const Gate& gate, const Array& x, const Array& w, Size column) {
  gate.require_dimensions(x, 2);
  gate.require_dimensions(w, 2);
  const Size N = x.shape[0], I = x.shape[1], K = w.shape[0];
  if (column >= I) gate.bad_value("x has ", I, " columns, so there is no column ", column);
  gate.run(0, [&]<class T>(const Kernels<T>&) { require_codes<T>(gate, x, N, I, K, column); });
}

FloatArray forward_embedding(ArrayLike x_any, ArrayLike w_any, Size column, OutArray out_any) {
  Gate gate("embedding_forward");
  Array x, w;
  gate.inputs({{"x", x_any, x}, {"w", w_any, w}});
  require_codes(gate, x, w, column);
  const Size N = x.shape[0], I = x.shape[1], K = w.shape[0], D = w.shape[1];
  const Array out = gate.output("out", out_any, {N, I - 1 + D});

  gate.run(double(out.size), [&]<class T>(const Kernels<T>&) {
    embedding_forward<T>(out, x, w, {column, K}, N, I, D);
  });
  return out.as_array();
}

py::typing::Tuple<FloatArray, FloatArray> backward_embedding(ArrayLike dout_any, ArrayLike x_any,
                                                             ArrayLike w_any, Size column,
                                                             OutArray dx_any, OutArray dw_any) {
  Gate gate("embedding_backward");
  Array dout, x, w;
  gate.inputs({{"dout", dout_any, dout}, {"x", x_any, x}, {"w", w_any, w}});
  require_codes(gate, x, w, column);
  const Size N = x.shape[0], I = x.shape[1], K = w.shape[0], D = w.shape[1];
  gate.require_dimensions(dout, 2);
  if (dout.shape[0] != N) gate.bad_value("dout has ", dout.shape[0], " rows but x has ", N);
  if (dout.shape[1] != I - 1 + D) {
    gate.bad_value("dout has ", dout.shape[1], " columns but x has ", I, " and w has ", D);
  }
  const Array dx = gate.output("dx", dx_any, {N, I});
  const Array dw = gate.output("dw", dw_any, {K, D});

  gate.run(double(dout.size) + double(w.size), [&]<class T>(const Kernels<T>&) {
    const T *slopes = dout, *rows = x;
    embedding_backward_dx<T>(dx, slopes, N, I, D, column);
    embedding_backward_dw<T>(dw, slopes + I - 1, I - 1 + D, {rows + column, I, K}, N, D, {0, K});
  });
  return py::make_tuple(dx.object, dw.object);
}

// An activation has one array argument, of any shape. The names of its functions and arguments come
// from the table, so one implementation serves all activations.
struct ActivationNames {
  const char *forward, *backward;
};

FloatArray activation_forward(int which, const char* function, ArrayLike x_any, Number setting,
                              OutArray out_any) {
  const ActivationFacts& facts = activation_facts[which];
  Gate gate(function);
  const double number = setting ? gate.number(facts.setting, setting) : 0;
  Array x;
  gate.inputs({{"x", x_any, x}});
  const Array out = gate.output_like("out", out_any, x);

  gate.run(facts.cost * double(x.size),
           [&](auto& kernels) { kernels.activations[which].forward(out, x, number, x.size); });
  return out.as_array();
}

const char* name_of(Kept kept) { return kept == Kept::out ? "out" : "x"; }

FloatArray activation_backward(int which, const char* function, ArrayLike dout_any,
                               ArrayLike kept_any, Number setting, OutArray dx_any) {
  const ActivationFacts& facts = activation_facts[which];
  Gate gate(function);
  const double number = setting ? gate.number(facts.setting, setting) : 0;
  Array dout, kept;
  gate.inputs({{"dout", dout_any, dout}, {name_of(facts.kept), kept_any, kept}});
  gate.require_same_shape(dout, kept);
  const Array dx = gate.output_like("dx", dx_any, kept);

  gate.run(facts.cost * double(dx.size), [&](auto& kernels) {
    kernels.activations[which].backward(dx, dout, kept, number, dx.size);
  });
  return dx.as_array();
}

// NAME_forward(x, [setting,] out=None) and NAME_backward(dout, kept, [setting,] dx=None).
void bind_activation(py::module_& module, int which, ActivationNames names) {
  const ActivationFacts& facts = activation_facts[which];
  const py::arg x("x"), kept(name_of(facts.kept)), setting(facts.setting), dout("dout");
  const py::arg_v out = py::arg("out") = py::none(), dx = py::arg("dx") = py::none();
  if (*facts.setting) {
    module.def(
        names.forward,
        [=](ArrayLike x, Number setting, OutArray out) {
          return activation_forward(which, names.forward, x, setting, out);
        },
        x, setting, out);
    module.def(
        names.backward,
        [=](ArrayLike dout, ArrayLike kept, Number setting, OutArray dx) {
          return activation_backward(which, names.backward, dout, kept, setting, dx);
        },
        dout, kept, setting, dx);
  } else {
    module.def(
        names.forward,
        [=](ArrayLike x, OutArray out) {
          return activation_forward(which, names.forward, x, {}, out);
        },
        x, out);
    module.def(
        names.backward,
        [=](ArrayLike dout, ArrayLike kept, OutArray dx) {
          return activation_backward(which, names.backward, dout, kept, {}, dx);
        },
        dout, kept, dx);
  }
}

}  // namespace

void bind_layers(py::module_& module) {
  module.def("affine_forward", affine_forward, py::arg("x"), py::arg("w"), py::arg("b"),
             py::arg("out") = py::none());
  module.def("affine_backward", affine_backward, py::arg("dout"), py::arg("x"), py::arg("w"),
             py::arg("dx") = py::none(), py::arg("dw") = py::none(), py::arg("db") = py::none());
  module.def("dropout_forward", dropout_forward, py::arg("x"), py::arg("p"), py::arg("seed"),
             py::arg("step"), py::arg("first"), py::arg("out") = py::none());
  module.def("dropout_backward", dropout_backward, py::arg("dout"), py::arg("p"), py::arg("seed"),
             py::arg("step"), py::arg("first"), py::arg("dx") = py::none());
  module.def("embedding_forward", forward_embedding, py::arg("x"), py::arg("w"), py::arg("column"),
             py::arg("out") = py::none());
  module.def("embedding_backward", backward_embedding, py::arg("dout"), py::arg("x"), py::arg("w"),
             py::arg("column"), py::arg("dx") = py::none(), py::arg("dw") = py::none());
  constexpr ActivationNames names[] = {
#define HANDNN_NAMES(name, ...) {#name "_forward", #name "_backward"},
      HANDNN_ACTIVATIONS(HANDNN_NAMES)
#undef HANDNN_NAMES
  };
  for (int which = 0; which < activation_count; ++which) {
    bind_activation(module, which, names[which]);
  }
}

}  // namespace handnn
