#include "losses.hpp"

#include <algorithm>
#include <cmath>

#include "bind.hpp"

namespace handnn {

namespace {

// The first of n values for which is_right is false, or null.
template <class T, class F>
const T* first_wrong(const T* values, Size n, F is_right) {
  const T* end = values + n;
  const T* wrong = std::find_if_not(values, end, is_right);
  return wrong == end ? nullptr : wrong;
}

// Calls f with a pointer to the array's elements, in the call's dtype.
template <class F>
void with_values(const Gate& gate, const Array& array, F f) {
  gate.run(0, [&]<class T>(const Kernels<T>&) { f(static_cast<const T*>(array)); });
}

// The sum of a row's probabilities may differ from 1 by this much.
constexpr double most_off = 1e-3;

template <class T>
void check_values(const Gate& gate, const LossFacts& facts, const Array& y_true, Size N, Size O) {
  const T* y = y_true;
  const bool are_labels = facts.target == Target::classes && y_true.size == N;
  const T* wrong = nullptr;
  const char* what = "";
  if (facts.target == Target::probabilities) {
    wrong = first_wrong(y, y_true.size, [](T v) { return v >= 0 && v <= 1; });
    what = ": targets must be from 0 to 1";
  } else if (facts.target == Target::counts) {
    wrong = first_wrong(y, y_true.size, [](T v) { return v >= 0 && std::isfinite(v); });
    what = ": targets must be finite and not negative";
  } else if (are_labels) {
    wrong = first_wrong(y, N, [&](T v) { return v >= 0 && v < T(O) && v == std::floor(v); });
  } else if (facts.target == Target::classes) {
    wrong = first_wrong(y, y_true.size, [](T v) { return v >= 0 && v <= 1; });
    what = ": probabilities must be from 0 to 1";
  }
  if (wrong) {
    const Size row = (wrong - y) / (y_true.size / N);
    if (are_labels) {
      gate.bad_value("row ", row, " of ", y_true.name, " is ", *wrong,
                     ", but a label must be an integer from 0 to ", O - 1);
    }
    gate.bad_value("row ", row, " of ", y_true.name, " has ", *wrong, what);
  }
  if (facts.target != Target::classes || are_labels) return;
  for (Size n = 0; n < N; ++n) {
    double sum = 0;
    for (Size o = 0; o < O; ++o) sum += double(y[n * O + o]);
    if (std::abs(sum - 1) > most_off) {
      gate.bad_value("row ", n, " of ", y_true.name, " adds up to ", sum,
                     ", but probabilities must add up to 1");
    }
  }
}

}  // namespace

int loss_called(const Gate& gate, const std::string& name) {
  for (int which = 0; which < loss_count; ++which) {
    if (name == loss_facts[which].name) return which;
  }
  gate.bad_value("no loss is called \"", name, "\"");
}

CheckedLoss::CheckedLoss(const Gate& gate, int which, double setting, const Array& numbers, Size O)
    : facts_(loss_facts[which]), setting_(setting), numbers_(numbers), O_(O) {
  const bool are_quantiles = facts_.columns == Columns::one_a_number;
  if (facts_.columns == Columns::two && O % 2 != 0) {
    gate.bad_value("pre has ", O,
                   " columns, but must have two for each of y_true's: means, then log-variances");
  }
  if (are_quantiles && !numbers.object) gate.bad_type(facts_.numbers, " must be a list of numbers");
  if (!numbers.object) return;
  gate.require_dimensions(numbers, 1);
  if (are_quantiles && (numbers.size == 0 || O % numbers.size != 0)) {
    gate.bad_value("pre has ", O, " columns, but must have one for each of ", numbers.size, " ",
                   facts_.numbers, ", or a multiple of them");
  }
  if (!are_quantiles && numbers.size != O) {
    gate.bad_value(facts_.numbers, " has ", numbers.size, " numbers but pre has ", O, " columns");
  }
  with_values(gate, numbers, [&]<class T>(const T* values) {
    const T* wrong = first_wrong(values, numbers.size, [&](T v) {
      return are_quantiles ? v > 0 && v < 1 : v >= 0 && std::isfinite(v);
    });
    if (!wrong) return;
    gate.bad_value(facts_.numbers,
                   are_quantiles ? " must be between 0 and 1" : " must be finite and not negative",
                   ", but one is ", *wrong);
  });
}

void CheckedLoss::check_shape(const Gate& gate, const Array& y_true, Size N) const {
  const Size Y = facts_.columns == Columns::two   ? O_ / 2
                 : facts_.columns == Columns::one ? O_
                                                  : O_ / numbers_.size;
  const bool takes_labels = facts_.target == Target::classes;
  const bool is_flat = y_true.dimensions == 1 && y_true.size == N;
  const bool has_rows = y_true.dimensions == 2 && y_true.shape[0] == N;
  if (is_flat && (Y == 1 || takes_labels)) return;
  if (has_rows && (y_true.shape[1] == Y || (y_true.shape[1] == 1 && takes_labels))) return;
  const std::string labels = takes_labels ? "(" + std::to_string(N) + ",) or " : "";
  gate.bad_value(y_true.name, " must have shape ", labels, "(", N, ", ", Y, ") for pre (", N, ", ",
                 O_, "), but has ", shape_text(y_true));
}

Size CheckedLoss::check_targets(const Gate& gate, const Array& y_true, Size N) const {
  check_shape(gate, y_true, N);
  if (N == 0 || y_true.size == 0) return y_true.dimensions == 2 ? y_true.shape[1] : 1;
  with_values(gate, y_true,
              [&]<class T>(const T*) { check_values<T>(gate, facts_, y_true, N, O_); });
  return y_true.size / N;
}

void check_weights(const Gate& gate, const Array& sample_weight, Size N) {
  gate.require_dimensions(sample_weight, 1);
  if (sample_weight.size != N) {
    gate.bad_value("sample_weight has ", sample_weight.size, " elements but pre has ", N, " rows");
  }
  with_values(gate, sample_weight, [&]<class T>(const T* values) {
    const auto is_right = [](T value) { return value >= 0 && std::isfinite(value); };
    if (first_wrong(values, N, is_right)) {
      gate.bad_value("sample_weight must be finite and not negative");
    }
  });
}

namespace {

// The arguments of a loss: pre (N, O), y_true (N, Y), sample_weight (N,) or None, its number
// and its array or None.
struct LossArguments {
  ArrayLike pre, y_true;
  OptionalArrayLike sample_weight;
  Number setting = {};
  OptionalArrayLike numbers = py::none();
};

// The arguments after their checks.
struct LossCall {
  Gate gate;
  const LossFacts& facts;
  Array pre, y_true, sample_weight, numbers;
  Size N = 0, O = 0, Y = 0;
  double setting = 0;

  LossCall(int which, const char* function, const LossArguments& given)
      : gate(function), facts(loss_facts[which]) {
    if (*facts.setting) setting = gate.number(facts.setting, given.setting);
    if (given.sample_weight.is_none()) {
      gate.inputs({{"pre", given.pre, pre}, {"y_true", given.y_true, y_true}});
    } else {
      gate.inputs({{"pre", given.pre, pre},
                   {"y_true", given.y_true, y_true},
                   {"sample_weight", given.sample_weight, sample_weight}});
    }
    if (!given.numbers.is_none()) gate.inputs({{facts.numbers, given.numbers, numbers}});
    gate.require_dimensions(pre, 2);
    N = pre.shape[0];
    O = pre.shape[1];
    Y = loss(which).check_targets(gate, y_true, N);
    if (sample_weight.object) check_weights(gate, sample_weight, N);
  }

  CheckedLoss loss(int which) const { return {gate, which, setting, numbers, O}; }
};

double loss_forward(int which, const char* function, const LossArguments& arguments) {
  const LossCall call(which, function, arguments);
  return call.gate.run(double(call.pre.size), [&]<class T>(const Kernels<T>& kernels) {
    return kernels.losses[which].forward(call.pre, call.y_true, call.sample_weight,
                                         call.loss(which).options<T>(call.Y), call.N, call.O);
  });
}

FloatArray loss_backward(int which, const char* function, const LossArguments& arguments,
                         Number dout_any, bool exact, OutArray dx_any) {
  const double dout = Gate(function).number("dout", dout_any);
  LossCall call(which, function, arguments);
  const Array dx = call.gate.output_like("dx", dx_any, call.pre);
  const double scale = exact ? call.facts.slope_scale(call.N, call.O) * dout : dout;
  call.gate.run(double(call.pre.size), [&]<class T>(const Kernels<T>& kernels) {
    kernels.losses[which].backward(dx, call.pre, call.y_true, call.sample_weight,
                                   call.loss(which).options<T>(call.Y), T(scale), call.N, call.O);
  });
  return dx.as_array();
}

// gradient "exact": the derivative of the mean, 2 (pre - y_true) / (N O); "article": the article's,
// pre - y_true.
bool is_exact(const char* function, Word gradient_any) {
  const Gate gate(function);
  const std::string gradient = gate.word("gradient", gradient_any);
  if (gradient != "exact" && gradient != "article") {
    gate.bad_value("gradient must be \"exact\" or \"article\", but is \"", gradient, "\"");
  }
  return gradient == "exact";
}

struct LossNames {
  const char *forward, *backward;
};

// NAME_forward(pre, y_true, sample_weight=None, setting=0, numbers=None) and NAME_backward(pre,
// y_true, dout=1, ..., dx=None); MSELoss has neither setting nor numbers, but two gradients.
void bind_loss(py::module_& module, int which, LossNames names) {
  const py::arg pre("pre"), y_true("y_true");
  const py::arg_v dout = py::arg("dout") = 1.0, weight = py::arg("sample_weight") = py::none(),
                  setting = py::arg("setting") = 0.0, numbers = py::arg("numbers") = py::none(),
                  gradient = py::arg("gradient") = "exact", dx = py::arg("dx") = py::none();
  if (std::string(loss_facts[which].name) == "mse_loss") {
    module.def(
        names.forward,
        [=](ArrayLike pre, ArrayLike y_true, OptionalArrayLike weight) {
          return loss_forward(which, names.forward, {pre, y_true, weight});
        },
        pre, y_true, weight);
    module.def(
        names.backward,
        [=](ArrayLike pre, ArrayLike y_true, Number dout, OptionalArrayLike weight, Word gradient,
            OutArray dx) {
          const bool exact = is_exact(names.backward, gradient);
          return loss_backward(which, names.backward, {pre, y_true, weight}, dout, exact, dx);
        },
        pre, y_true, dout, weight, gradient, dx);
    return;
  }
  module.def(
      names.forward,
      [=](ArrayLike pre, ArrayLike y_true, OptionalArrayLike weight, Number setting,
          OptionalArrayLike numbers) {
        return loss_forward(which, names.forward, {pre, y_true, weight, setting, numbers});
      },
      pre, y_true, weight, setting, numbers);
  module.def(
      names.backward,
      [=](ArrayLike pre, ArrayLike y_true, Number dout, OptionalArrayLike weight, Number setting,
          OptionalArrayLike numbers, OutArray dx) {
        const LossArguments arguments = {pre, y_true, weight, setting, numbers};
        return loss_backward(which, names.backward, arguments, dout, true, dx);
      },
      pre, y_true, dout, weight, setting, numbers, dx);
}

// Raises ValueError unless y (N, Y) can be the targets of a network with `outputs` columns.
void check_targets(const std::string& function, const std::string& loss, double setting,
                   OptionalArrayLike numbers_any, ArrayLike y_any, Size outputs) {
  Gate gate(function.c_str());
  Array y, numbers;
  gate.inputs({{"y", y_any, y}});
  const int which = loss_called(gate, loss);
  if (!numbers_any.is_none()) gate.inputs({{loss_facts[which].numbers, numbers_any, numbers}});
  if (y.dimensions == 0) gate.bad_value("y must have rows");
  CheckedLoss(gate, which, setting, numbers, outputs).check_targets(gate, y, y.shape[0]);
}

IndexArray largest_columns(ArrayLike pre_any) {
  Gate gate("largest_columns");
  Array pre;
  gate.inputs({{"pre", pre_any, pre}});
  gate.require_dimensions(pre, 2);
  const Size N = pre.shape[0], O = pre.shape[1];
  if (O == 0) gate.bad_value("pre has no columns");
  const NewArray<Size> columns = new_array<Size>(N);
  gate.run(double(pre.size),
           [&](auto& kernels) { kernels.largest_columns(columns.data, pre, N, O); });
  return columns.array;
}

}  // namespace

void bind_losses(py::module_& module) {
  constexpr LossNames names[] = {
#define HANDNN_NAMES(name, kernels, divisor, target, columns, setting, numbers) \
  {#name "_forward", #name "_backward"},
      HANDNN_LOSSES(HANDNN_NAMES)
#undef HANDNN_NAMES
  };
  for (int which = 0; which < loss_count; ++which) bind_loss(module, which, names[which]);
  module.def("check_targets", check_targets, py::arg("function"), py::arg("loss"),
             py::arg("setting"), py::arg("numbers"), py::arg("y"), py::arg("outputs"));
  module.def("largest_columns", largest_columns, py::arg("pre"));
}

}  // namespace handnn
