#include "bricks.hpp"

#include <pybind11/stl.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>

#include "codes.hpp"

namespace handnn {

template <class T>
Bricks<T>::Bricks(const char* function, const py::list& described) : function_(function) {
  for (const py::handle brick : described) {
    const auto [kind, settings, arrays, updates] =
        brick.cast<std::tuple<std::string, py::dict, py::dict, py::dict>>();
    add(kind, settings, arrays, updates);
  }
  try {
    checked_.emplace(std::move(added_));
  } catch (const std::invalid_argument& error) {
    bad(error.what());
  }
}

template <class T>
void Bricks<T>::bad(const std::string& what) const {
  throw py::value_error(std::string(function_) + ": " + what);
}

template <class T>
void Bricks<T>::require_width(const Gate& gate, const Array& x) const {
  gate.require_dimensions(x, 2);
  const Size I = checked().inputs();
  if (x.shape[1] != I) {
    gate.bad_value(x.name, " has ", x.shape[1], " columns, but the network has ", I);
  }
}

template <class T>
bool Bricks<T>::is_unchanged() const {
  return std::all_of(arrays_.begin(), arrays_.end(), handnn::is_unchanged);
}

template <class T>
void Bricks<T>::require_apart(const Gate& gate, const Array& out) const {
  for (const Array& array : arrays_) gate.require_apart(out, array);
}

template <class T>
void Bricks<T>::check_codes(const Gate& gate, const Array& x) const {
  for (const CodeColumn& read : checked().code_columns()) {
    require_codes<T>(gate, x, x.shape[0], x.shape[1], read.codes, read.column);
  }
}

template <class T>
void Bricks<T>::add(const std::string& kind, const py::dict& settings, const py::dict& arrays,
                    const py::dict& updates) {
  Gate gate = Gate::casting_to<T>(function_);
  Brick<T> brick;
  const auto number = [&](const char* name) { return gate.number(name, settings[name]); };
  if (kind == "affine") {
    take_affine(gate, brick, arrays, updates);
  } else if (kind == "binned_affine") {
    take_binned_affine(gate, brick, settings, arrays, updates);
  } else if (kind == "layer_norm" || kind == "batch_norm") {
    brick.kind = kind == "layer_norm" ? Kind::layer_norm : Kind::batch_norm;
    take_norm(gate, brick, arrays, updates);
    brick.setting = T(number("eps"));
    if (brick.kind == Kind::batch_norm) brick.momentum = T(number("momentum"));
  } else if (kind == "embedding") {
    brick.kind = Kind::embedding;
    const Array w = taken(gate, brick.w, "w", arrays, updates);
    gate.require_dimensions(w, 2);
    brick.codes = w.shape[0];
    brick.O = w.shape[1];  // CheckedBricks adds the other columns
    brick.column = settings["column"].cast<Size>();
    if (brick.codes == 0) gate.bad_value("w has no rows");
  } else if (kind == "dropout") {
    brick.kind = Kind::dropout;
    brick.p = number("p");
    if (!(brick.p >= 0 && brick.p < 1)) gate.bad_value("p must be at least 0 and below 1");
    brick.seed = settings["seed"].cast<std::uint64_t>();
    brick.first_step = settings["step"].cast<std::uint64_t>();
  } else if (kind == "softmax") {
    brick.kind = Kind::softmax;
  } else if (kind == "fork") {
    brick.kind = Kind::fork;
  } else if (kind == "add") {
    brick.kind = Kind::add;
  } else {
    while (brick.activation < activation_count && kind != activation_facts[brick.activation].name) {
      ++brick.activation;
    }
    if (brick.activation == activation_count) bad("no brick is called \"" + kind + "\"");
    brick.setting = T(number("setting"));
  }
  added_.push_back(brick);
}

template <class T>
void Bricks<T>::take_affine(Gate& gate, Brick<T>& brick, const py::dict& arrays,
                            const py::dict& updates) {
  brick.kind = Kind::affine;
  const Array w = taken(gate, brick.w, "w", arrays, updates);
  const Array b = taken(gate, brick.b, "b", arrays, updates);
  gate.require_dimensions(w, 2);
  gate.require_dimensions(b, 1);
  if (b.size != w.shape[1]) {
    gate.bad_value("b has ", b.size, " elements but w has ", w.shape[1], " columns");
  }
  brick.I = w.shape[0];
  brick.O = w.shape[1];
}

template <class T>
void Bricks<T>::take_binned_affine(Gate& gate, Brick<T>& brick, const py::dict& settings,
                                   const py::dict& arrays, const py::dict& updates) {
  take_affine(gate, brick, arrays, updates);
  brick.kind = Kind::binned_affine;
  brick.bins = settings["bins"].cast<std::vector<Size>>();
  brick.I = Size(brick.bins.size());
}

template <class T>
void Bricks<T>::take_norm(Gate& gate, Brick<T>& brick, const py::dict& arrays,
                          const py::dict& updates) {
  const Array gamma = taken(gate, brick.w, "gamma", arrays, updates);
  const Array beta = taken(gate, brick.b, "beta", arrays, updates);
  gate.require_dimensions(gamma, 1);
  gate.require_same_shape(gamma, beta);
  brick.I = brick.O = gamma.size;
  if (brick.kind != Kind::batch_norm) return;
  const Array mean = held(gate, "running_mean", arrays["running_mean"]);
  const Array var = held(gate, "running_var", arrays["running_var"]);
  gate.require_same_shape(gamma, mean);
  gate.require_same_shape(gamma, var);
  brick.running_mean = mean;
  brick.running_var = var;
}

// A param with the arguments of its update.
template <class T>
Array Bricks<T>::taken(Gate& gate, Param<T>& param, const char* name, const py::dict& arrays,
                       const py::dict& updates) {
  const Array value = held(gate, name, arrays[name]);
  param.value = value;
  param.size = value.size;
  if (updates.empty()) return value;
  const auto [states, lr_scale, weight_decay] =
      updates[name].cast<std::tuple<std::vector<py::object>, double, double>>();
  for (std::size_t i = 0; i < states.size() && i < 2; ++i) {
    if (states[i].is_none()) continue;
    const Array state = held(gate, "an optimizer state", states[i]);
    gate.require_same_shape(state, value);
    param.states[i] = state;
  }
  param.lr_scale = lr_scale;
  param.weight_decay = weight_decay;
  return value;
}

template <class T>
Array Bricks<T>::held(Gate& gate, const char* name, const py::object& given) {
  Array array;
  gate.inputs({{name, given, array}});
  gate.require_writable(array, given);
  arrays_.push_back(array);
  locked_.add(array.object);
  return array;
}

template class Bricks<float>;
template class Bricks<double>;

}  // namespace handnn
