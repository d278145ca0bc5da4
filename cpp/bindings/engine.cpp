#include <pybind11/stl.h>
#include <pybind11/typing.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "arrays.hpp"
#include "bind.hpp"
#include "engine/pool.hpp"
#include "engine/shuffle.hpp"
#include "engine/train.hpp"

namespace handnn {

namespace {

// The bricks of a network as Python hands them over, and what keeps their memory alive. Each is a
// tuple (kind, params, velocities): two dicts of arrays, {"w": ..., "b": ...} for an affine, else
// {}.
template <class T>
class Bricks {
 public:
  Bricks(const char* function, const py::list& described) : function_(function) {
    for (const py::handle brick : described) {
      const auto [kind, params, velocities] =
          brick.cast<std::tuple<std::string, py::dict, py::dict>>();
      add(kind, params, velocities);
    }
    // Bricks that keep the width have that of their neighbours.
    Size width = 0;
    for (const Brick<T>& brick : bricks) width = width ? width : brick.I;
    if (!width) throw py::value_error(std::string(function) + ": bricks hold no affine");
    for (Brick<T>& brick : bricks) {
      if (!brick.w) brick.I = brick.O = width;
      if (brick.I != width) throw py::value_error(std::string(function) + ": bricks do not fit");
      width = brick.O;
    }
  }

  void require_apart(const Gate& gate, const Array& out) const {
    for (const Array& array : arrays_) gate.require_apart(out, array);
  }

  std::vector<Brick<T>> bricks;

 private:
  void add(const std::string& kind, const py::dict& params, const py::dict& velocities) {
    if (kind == "relu") {
      bricks.push_back({BrickKind::relu});
    } else if (kind == "sigmoid") {
      bricks.push_back({BrickKind::sigmoid});
    } else if (kind == "affine") {
      Gate gate = Gate::casting_to<T>(function_);
      const Array w = held(gate, "w", params["w"]), b = held(gate, "b", params["b"]);
      gate.require_dimensions(w, 2);
      gate.require_dimensions(b, 1);
      if (b.size != w.shape[1]) {
        gate.bad_value("b has ", b.size, " elements but w has ", w.shape[1], " columns");
      }
      bricks.push_back({BrickKind::affine, w.shape[0], w.shape[1], w, b});
      if (velocities.empty()) return;
      const Array w_velocity = held(gate, "velocity of w", velocities["w"]),
                  b_velocity = held(gate, "velocity of b", velocities["b"]);
      gate.require_same_shape(w_velocity, w);
      gate.require_same_shape(b_velocity, b);
      bricks.back().w_velocity = w_velocity;
      bricks.back().b_velocity = b_velocity;
    } else {
      throw py::value_error(std::string(function_) + ": no brick is called \"" + kind + "\"");
    }
  }

  Array held(Gate& gate, const char* name, const py::object& given) {
    Array array;
    gate.inputs({{name, given, array}});
    gate.require_writable(array, given);
    arrays_.push_back(array);
    return array;
  }

  const char* function_;
  std::vector<Array> arrays_;
};

// The columns of x and y that the bricks take and give.
template <class T>
void require_width(const Gate& gate, const Array& array, Size width) {
  gate.require_dimensions(array, 2);
  if (array.shape[1] != width) {
    gate.bad_value(array.name, " has ", array.shape[1], " columns, but the network has ", width);
  }
}

// Takes the GIL back for a moment to see whether a signal handler raised, as Ctrl-C does.
bool signal_raised() {
  const py::gil_scoped_acquire gil;
  return PyErr_CheckSignals() != 0;
}

// One (loss, seconds) for each epoch. If a signal handler raises, its exception passes on after the
// step that runs, and `losses` holds the whole epochs before it.
template <class T>
void train_as(const py::list& described, bool exact, const SgdSettings& sgd, py::handle x_any,
              py::handle y_any, py::handle weight_any, const Schedule& schedule, py::list losses) {
  const Bricks<T> bricks("Trainer.fit", described);
  Gate gate = Gate::casting_to<T>("Trainer.fit");
  Array x, y, weight;
  gate.inputs({{"x", x_any, x}, {"y", y_any, y}});
  if (!weight_any.is_none()) gate.inputs({{"sample_weight", weight_any, weight}});
  require_width<T>(gate, x, bricks.bricks.front().I);
  require_width<T>(gate, y, bricks.bricks.back().O);
  if (x.shape[0] == 0) gate.bad_value("x has no rows");
  if (y.shape[0] != x.shape[0])
    gate.bad_value("x has ", x.shape[0], " rows but y has ", y.shape[0]);
  if (weight.object) {
    gate.require_dimensions(weight, 1);
    if (weight.size != x.shape[0]) gate.bad_value("sample_weight must have a number for each row");
  }
  if (schedule.epochs < 1 || schedule.batch_size < 1) {
    gate.bad_value("epochs and batch_size must be at least 1");
  }

  const Size N = x.shape[0];
  std::vector<EpochResult> epochs;
  {
    const py::gil_scoped_release unlocked;
    const Size most_rows = std::min(schedule.batch_size, N);
    TrainingProgram<T> program(active_kernels<T>(), bricks.bricks, {exact}, sgd, most_rows);
    epochs = train<T>(program, {x, y, weight, N}, schedule, signal_raised);
  }
  const auto report = [&] {
    for (const EpochResult& epoch : epochs) {
      losses.append(py::make_tuple(epoch.loss, epoch.seconds));
    }
  };
  if (PyErr_Occurred()) {
    const py::error_already_set raised;  // takes the exception out of the way for a moment
    report();
    throw raised;
  }
  report();
}

void train_network(const py::list& bricks, bool exact_gradient, double lr, double momentum,
                   bool nesterov, double weight_decay, py::handle x, py::handle y,
                   py::handle sample_weight, Size epochs, Size batch_size,
                   std::optional<std::uint64_t> seed, std::uint64_t first_epoch, bool float32,
                   py::list losses) {
  const SgdSettings sgd = {lr, momentum, weight_decay, nesterov};
  const Schedule schedule = {epochs, batch_size, seed, first_epoch};
  (float32 ? train_as<float> : train_as<double>)(bricks, exact_gradient, sgd, x, y, sample_weight,
                                                 schedule, losses);
}

py::array row_order(Size count, std::uint64_t seed, std::uint64_t epoch) {
  const Indices order = new_indices(count);
  shuffle_rows(order.data, count, seed, epoch);
  return order.array;
}

template <class T>
py::array predict_as(const Bricks<T>& bricks, py::handle x_any, py::handle out_any) {
  Gate gate = Gate::casting_to<T>("Network.predict");
  Array x;
  gate.inputs({{"x", x_any, x}});
  require_width<T>(gate, x, bricks.bricks.front().I);
  const Size N = x.shape[0];
  const Array out = gate.output("out", out_any, {N, bricks.bricks.back().O});
  if (!out_any.is_none()) bricks.require_apart(gate, out);
  double work = 0;
  for (const Brick<T>& brick : bricks.bricks) work += double(brick.I) * double(brick.O);
  const Kernels<T>& kernels = active_kernels<T>();
  T* scratch = scratch_memory<T>(predict_scratch(kernels, bricks.bricks));
  gate.run(work * double(N),
           [&](auto&) { predict<T>(kernels, bricks.bricks, out, x, scratch, N); });
  return out.as_array();
}

using Predictor = py::typing::Callable<py::array(py::object, py::object)>;

template <class T>
Predictor predictor_as(const py::list& described) {
  const auto bricks = std::make_shared<const Bricks<T>>("Network.predict", described);
  return Predictor(py::cpp_function(
      [bricks](py::handle x, py::handle out) { return predict_as<T>(*bricks, x, out); }));
}

// A network's forward pass as a function (x, out or None) -> out: its bricks are read once, so that
// a call with one row costs little more than its work.
Predictor predictor(const py::list& bricks, bool float32) {
  return float32 ? predictor_as<float>(bricks) : predictor_as<double>(bricks);
}

constexpr int most_threads = 1024;

int checked_threads(const char* what, long threads) {
  if (threads < 1 || threads > most_threads) {
    throw py::value_error(std::string(what) + " must be a whole number from 1 to " +
                          std::to_string(most_threads));
  }
  return int(threads);
}

void set_threads_from_environment() {
  const char* name = "HANDNN_NUM_THREADS";
  const char* given = std::getenv(name);
  if (!given || !*given) return;
  char* end = nullptr;
  const long threads = std::strtol(given, &end, 10);
  try {
    set_num_threads(checked_threads(name, *end ? 0 : threads));
  } catch (const py::value_error& error) {
    throw py::import_error(error.what());
  }
}

}  // namespace

void bind_engine(py::module_& module) {
  set_threads_from_environment();
  module.def("get_num_threads", num_threads);
  module.def(
      "set_num_threads",
      [](long threads) { set_num_threads(checked_threads("set_num_threads: n", threads)); },
      py::arg("n"));
  module.def("train", train_network, py::arg("bricks"), py::arg("exact_gradient"), py::arg("lr"),
             py::arg("momentum"), py::arg("nesterov"), py::arg("weight_decay"), py::arg("x"),
             py::arg("y"), py::arg("sample_weight"), py::arg("epochs"), py::arg("batch_size"),
             py::arg("seed"), py::arg("first_epoch"), py::arg("float32"), py::arg("losses"));
  module.def("row_order", row_order, py::arg("count"), py::arg("seed"), py::arg("epoch"));
  module.def("predictor", predictor, py::arg("bricks"), py::arg("float32"));
}

}  // namespace handnn
