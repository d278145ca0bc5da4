#include <pybind11/stl.h>
#include <pybind11/typing.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "arrays.hpp"
#include "bind.hpp"
#include "bricks.hpp"
#include "engine/pool.hpp"
#include "engine/predict.hpp"
#include "engine/shuffle.hpp"
#include "engine/train.hpp"
#include "losses.hpp"
#include "settings.hpp"

namespace handnn {

namespace {

// The columns of x and y that the bricks take and give.
template <class T>
void require_width(const Gate& gate, const Array& array, Size width) {
  gate.require_dimensions(array, 2);
  if (array.shape[1] != width) {
    gate.bad_value(array.name, " has ", array.shape[1], " columns, but the network has ", width);
  }
}

int optimizer_called(const std::string& name) {
  for (int which = 0; which < optimizer_count; ++which) {
    if (name == optimizer_facts[which].name) return which;
  }
  throw py::value_error("Trainer.fit: no optimizer is called \"" + name + "\"");
}

// Ends a training after the step that runs: set by any thread, at any time.
struct Stop {
  std::atomic<bool> is_set = false;
};

// Takes the GIL back for a moment to see whether a signal handler raised, as Ctrl-C does, or has
// set `stop`; in other threads than the main one no handler is called.
bool is_to_stop(const Stop& stop) {
  if (stop.is_set) return true;
  const py::gil_scoped_acquire gil;
  return PyErr_CheckSignals() != 0 || stop.is_set;
}

// A loss as Python hands it over: (name, number, array or None, whether its gradient is exact).
using DescribedLoss = std::tuple<std::string, double, py::object, bool>;

// Appends (loss, seconds) for each epoch to `losses`, and the number of steps to `steps`. If a
// signal handler raises, its exception passes on after the step that runs, and `losses` holds the
// whole epochs before it. A `stop` that is set ends it without one. With threads 0 a step is shared
// among all there are. Returns the total of an epoch that is not whole: see TrainingResult.
template <class T>
double train_as(const py::list& described, const DescribedLoss& described_loss,
                const std::string& kind, const py::dict& settings, double clip_norm,
                py::handle lr_factors_any, py::handle x_any, py::handle y_any,
                py::handle weight_any, Schedule schedule, py::handle outputs_any, py::list losses,
                py::list steps, const Stop& stop, int threads) {
  const Bricks<T> bricks("Trainer.fit", described);
  Gate gate = Gate::casting_to<T>("Trainer.fit");
  Array x, y, weight;
  gate.inputs({{"x", x_any, x}, {"y", y_any, y}});
  if (!weight_any.is_none()) gate.inputs({{"sample_weight", weight_any, weight}});
  require_width<T>(gate, x, bricks.bricks.front().I);
  const Size N = x.shape[0];
  if (N == 0) gate.bad_value("x has no rows");
  const auto& [loss_name, loss_setting, loss_numbers_any, exact] = described_loss;
  const int which_loss = loss_called(gate, loss_name);
  Array loss_numbers;
  if (!loss_numbers_any.is_none()) {
    gate.inputs({{loss_facts[which_loss].numbers, loss_numbers_any, loss_numbers}});
  }
  const CheckedLoss loss(gate, which_loss, loss_setting, loss_numbers, bricks.bricks.back().O);
  const Size Y = loss.check_targets(gate, y, N);
  if (weight.object) check_weights(gate, weight, N);
  if (schedule.epochs < 1 || schedule.batch_size < 1) {
    gate.bad_value("epochs and batch_size must be at least 1");
  }

  bricks.check_codes(gate, x);
  if (schedule.rows_per_epoch < 1 || (schedule.rows_per_epoch > N && !schedule.replaces)) {
    gate.bad_value("rows_per_epoch is ", schedule.rows_per_epoch, " of ", N, " rows");
  }
  if (schedule.replaces && !schedule.seed) gate.bad_value("rows cannot be drawn without a seed");
  if (schedule.first_step < 0 ||
      schedule.first_step > (schedule.rows_per_epoch - 1) / schedule.batch_size + 1) {
    gate.bad_value("first_step is ", schedule.first_step);
  }
  Array outputs;
  if (!outputs_any.is_none()) {
    outputs =
        gate.output("outputs", outputs_any, {schedule.rows_per_epoch, bricks.bricks.back().O});
  }
  const OptimizerSettings optimizer = optimizer_settings(gate, optimizer_called(kind), settings);
  Gate factors_gate = Gate::casting_to<double>("Trainer.fit");
  Array lr_factors;
  if (!lr_factors_any.is_none()) {
    factors_gate.inputs({{"lr_factors", lr_factors_any, lr_factors}});
    const double steps =
        double(schedule.epochs) * double((schedule.rows_per_epoch - 1) / schedule.batch_size + 1);
    if (double(lr_factors.size) < steps) {
      gate.bad_value("lr_factors has ", lr_factors.size, " numbers for ", steps, " steps");
    }
    schedule.lr_factors = lr_factors;
  }

  TrainingResult result;
  {
    const py::gil_scoped_release unlocked;
    const Size most_rows = std::min(schedule.batch_size, schedule.rows_per_epoch);
    TrainingProgram<T> program(active_kernels<T>(), bricks.bricks,
                               {which_loss, loss.template options<T>(Y), exact}, optimizer,
                               clip_norm, most_rows, threads ? threads : num_threads());
    result = train<T>(
        program, {x, y, weight, N}, schedule, [&stop] { return is_to_stop(stop); }, outputs);
  }
  const auto report = [&] {
    for (const EpochResult& epoch : result.epochs) {
      losses.append(py::make_tuple(epoch.loss, epoch.seconds));
    }
    steps.append(result.steps);
  };
  if (PyErr_Occurred()) {
    const py::error_already_set raised;  // takes the exception out of the way for a moment
    report();
    throw raised;
  }
  report();
  return result.total;
}

double train_network(const py::list& bricks, const DescribedLoss& loss,
                     const std::string& optimizer, const py::dict& settings, double clip_norm,
                     py::handle lr_factors, py::handle x, py::handle y, py::handle sample_weight,
                     Size epochs, Size batch_size, std::optional<std::uint64_t> seed,
                     std::uint64_t first_epoch, Size rows_per_epoch, bool replaces, Size first_step,
                     double total, bool float32, py::handle outputs, py::list losses,
                     py::list steps, const Stop& stop, int threads) {
  Schedule schedule = {epochs, batch_size, seed, first_epoch, rows_per_epoch, replaces};
  schedule.first_step = first_step;
  schedule.total = total;
  return (float32 ? train_as<float> : train_as<double>)(bricks, loss, optimizer, settings,
                                                        clip_norm, lr_factors, x, y, sample_weight,
                                                        schedule, outputs, losses, steps, stop,
                                                        threads);
}

py::array row_order(Size count, std::uint64_t seed, std::uint64_t epoch) {
  const Indices order = new_indices(count);
  shuffle_rows(order.data, count, seed, epoch);
  return order.array;
}

py::array drawn_rows(Size drawn, Size count, std::uint64_t seed, std::uint64_t epoch) {
  if (count < 1) throw py::value_error("drawn_rows: there is no row to draw");
  const Indices order = new_indices(drawn);
  draw_rows(order.data, drawn, count, seed, epoch);
  return order.array;
}

template <class T>
py::array predict_as(const Bricks<T>& bricks, py::handle x_any, py::handle out_any) {
  Gate gate = Gate::casting_to<T>("Network.predict");
  Array x;
  gate.inputs({{"x", x_any, x}});
  require_width<T>(gate, x, bricks.bricks.front().I);
  bricks.check_codes(gate, x);
  const Size N = x.shape[0];
  const Array out = gate.output("out", out_any, {N, bricks.bricks.back().O});
  if (!out_any.is_none()) bricks.require_apart(gate, out);
  double work = 0;
  for (const Brick<T>& brick : bricks.bricks) work += brick.work() / 3;
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
  // pybind11's own metaclass serves static properties, and a stub cannot name it.
  const py::metaclass plain(reinterpret_cast<PyObject*>(&PyType_Type));
  py::class_<Stop>(module, "Stop", plain)
      .def(py::init())
      .def_property_readonly("is_set", [](const Stop& stop) { return stop.is_set.load(); })
      .def("set", [](Stop& stop) { stop.is_set = true; });
  module.def("train", train_network, py::arg("bricks"), py::arg("loss"), py::arg("optimizer"),
             py::arg("settings"), py::arg("clip_norm"), py::arg("lr_factors"), py::arg("x"),
             py::arg("y"), py::arg("sample_weight"), py::arg("epochs"), py::arg("batch_size"),
             py::arg("seed"), py::arg("first_epoch"), py::arg("rows_per_epoch"),
             py::arg("replaces"), py::arg("first_step"), py::arg("total"), py::arg("float32"),
             py::arg("outputs"), py::arg("losses"), py::arg("steps"), py::arg("stop"),
             py::arg("threads"));
  module.def("row_order", row_order, py::arg("count"), py::arg("seed"), py::arg("epoch"));
  module.def("drawn_rows", drawn_rows, py::arg("drawn"), py::arg("count"), py::arg("seed"),
             py::arg("epoch"));
  module.def("predictor", predictor, py::arg("bricks"), py::arg("float32"));
}

}  // namespace handnn
