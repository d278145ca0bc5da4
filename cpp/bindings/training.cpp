// Training a network: one request from Python, one result back.
#include <pybind11/stl.h>
#include <pybind11/typing.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <new>
#include <numeric>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "arrays.hpp"
#include "bind.hpp"
#include "bricks.hpp"
#include "constructor.hpp"
#include "engine/held_out.hpp"
#include "engine/shuffle.hpp"
#include "engine/train.hpp"
#include "losses.hpp"
#include "settings.hpp"

namespace handnn {

namespace {

// Ends a training after the current step. Any thread may set it at any time. A pause ends one call
// only.
struct Stop {
  std::atomic<bool> is_set = false;
  std::atomic<bool> pauses = false;
};

// A loss: its name, number, array or None, and whether its gradient is exact.
using LossSpec = std::tuple<std::string, double, OptionalArrayObject, bool>;

// An optimizer: its name, settings, clip_norm (infinity for none), and the schedule's factor of
// each step or None.
using OptimizerSpec = std::tuple<std::string, SettingsDict, double, OptionalFactors>;

// The program to train: the bricks (see bricks.hpp), the loss, the optimizer, and whether the dtype
// is float32.
struct ProgramSpec {
  BrickList bricks;
  LossSpec loss;
  OptimizerSpec optimizer;
  bool float32;
};

// How batches are summed in slices: their number, the first and the last of this process, and None
// or, for several processes, an object with nodes, shares, values, total, column_shares and
// column_total (see Sharding) and two methods: exchange(N), which returns the loss of the batch and
// whether to stop, and exchange_columns(N, O, are_statistics).
using ShardingSpec = std::tuple<Size, Size, Size, py::object>;

struct TrainingRequest {
  ProgramSpec program;
  RowArrays rows;      // x, y and optionally sample_weight
  RowArrays held_out;  // the same of rows to measure after each epoch, or ()
  BatchSampler sampler;
  TrainingSpan span;
  OptionalArrayObject outputs;
  int threads;  // 0 for all of the pool
  ShardingSpec sharding;
};

// Acquires the GIL briefly to run signal handlers, which may raise or set `stop`. Python runs them
// in the main thread only.
bool is_to_stop(Stop& stop, Unlocked& unlocked) {
  if (stop.is_set) return true;
  const bool raised = unlocked.locked([] { return PyErr_CheckSignals() != 0; });
  return stop.pauses.exchange(false) || stop.is_set || raised;
}

// A validated request. It keeps the arrays that the training uses alive.
template <class T>
class CheckedTraining {
 public:
  explicit CheckedTraining(const TrainingRequest& request)
      : request_(request), bricks_(function, request.program.bricks) {
    take_rows(request.rows, rows_);
    take_loss(rows_);
    if (request.held_out.size()) {
      take_rows(request.held_out, held_out_);
      take_loss(held_out_);
    }
    check_sampler();
    if (!request.outputs.is_none()) {
      outputs_ = gate_.output("outputs", request.outputs,
                              {request.sampler.rows_per_epoch, bricks_.checked().outputs()});
    }
    take_optimizer();
    take_sharding();
  }

  // Releases the GIL. If a signal handler raises, training ends after the current step, `result`
  // is complete, and the exception is thrown.
  void run(TrainingResult& result, Stop& stop) const {
    gate_.require_unchanged();
    if (!bricks_.is_unchanged()) gate_.bad_value("an array of a layer was changed in place");
    const Locked locked = gate_.locked();
    {
      Unlocked unlocked;
      const Size most_rows = std::min(request_.sampler.batch_size, request_.sampler.rows_per_epoch);
      TrainingProgram<T> program(active_kernels<T>(), bricks_.checked(), loss_, optimizer_,
                                 std::get<2>(request_.program.optimizer), most_rows,
                                 request_.threads, with_exchange(unlocked));
      std::optional<HeldOut<T>> held_out;
      if (held_out_.x.object) {
        held_out.emplace(active_kernels<T>(), bricks_.checked(), loss_, held_out_.rows());
      }
      result = train<T>(
          program, rows_.rows(), request_.sampler, request_.span, lr_factors_,
          [&] { return is_interrupted(stop, unlocked); }, outputs_,
          held_out ? [&] { return held_out->loss(); } : std::function<double()>());
    }
    if (PyErr_Occurred()) throw py::error_already_set();
    if (result.lacks_memory) throw std::bad_alloc();
  }

 private:
  static constexpr const char* function = "Trainer.fit";

  // Several processes must agree on when to stop, so their exchange handles `stop`.
  bool is_interrupted(Stop& stop, Unlocked& unlocked) const {
    if (!exchanges()) return is_to_stop(stop, unlocked);
    return unlocked.locked([] { return PyErr_CheckSignals() != 0; });
  }

  bool exchanges() const { return !std::get<3>(request_.sharding).is_none(); }

  void take_sharding() {
    const auto& [shards, first, last, exchange] = request_.sharding;
    if (shards < 1 || first < 0 || first >= last || last > shards) {
      gate_.bad_value("the slices ", first, " to ", last, " are not among ", shards);
    }
    sharding_.shards = shards;
    sharding_.mine = {first, last};
    sharding_.nodes = {Range{0, shards}};
    if (exchange.is_none()) return;
    sharding_.nodes.clear();
    for (const auto& [begin, end] :
         exchange.attr("nodes").template cast<std::vector<std::pair<Size, Size>>>()) {
      if (begin < first || begin >= end || end > last)
        gate_.bad_value("a node is not of this rank");
      sharding_.nodes.push_back({begin, end});
    }
    const Size n_nodes = Size(sharding_.nodes.size());
    Size n_params = 0;
    for (const Brick<T>& brick : bricks_.checked()) n_params += brick.w.size + brick.b.size;
    shares_ = gate_.output("shares", exchange.attr("shares"), {n_nodes, n_params});
    total_ = gate_.output("total", exchange.attr("total"), {n_params});
    Size columns = 0;  // of the widest norm
    for (const Brick<T>& brick : bricks_.checked()) {
      if (brick.kind == Kind::batch_norm) columns = std::max(columns, brick.O);
    }
    column_shares_ =
        gate_.output("column_shares", exchange.attr("column_shares"), {n_nodes * 2 * columns});
    column_total_ = gate_.output("column_total", exchange.attr("column_total"), {2 * columns});
    Gate gate = Gate::casting_to<double>(function);
    values_ = gate.output("values", exchange.attr("values"), {n_nodes});
  }

  // The sharding of a program. Its `sum` calls the exchange, with the GIL; an exception ends the
  // training as a loss that is not finite does, and `run` throws it.
  Sharding<T> with_exchange(Unlocked& unlocked) const {
    Sharding<T> sharding = sharding_;
    if (!exchanges()) return sharding;
    sharding.shares = shares_;
    sharding.values = values_;
    sharding.total = total_;
    sharding.column_shares = column_shares_;
    sharding.column_total = column_total_;
    PyObject* exchange = std::get<3>(request_.sharding).ptr();
    sharding.sum = [exchange, &unlocked](Size N, double& loss) {
      return unlocked.locked([&]() -> std::optional<bool> {
        int stops = 1;
        PyObject* answer = PyObject_CallMethod(exchange, "exchange", "n", N);
        const bool succeeds = answer && PyArg_ParseTuple(answer, "dp", &loss, &stops);
        Py_XDECREF(answer);
        return succeeds ? std::optional(stops != 0) : std::nullopt;
      });
    };
    sharding.sum_columns = [exchange, &unlocked](Size N, Size O, bool are_statistics) {
      return unlocked.locked([&] {
        PyObject* answer =
            PyObject_CallMethod(exchange, "exchange_columns", "nni", N, O, int(are_statistics));
        Py_XDECREF(answer);
        return answer != nullptr;
      });
    };
    return sharding;
  }

  // x, y and weights, if given.
  struct RowsGiven {
    Array x, y, weight;

    Rows<T> rows() const { return {x, y, weight, x.shape[0]}; }
  };

  void take_rows(const py::tuple& given, RowsGiven& rows) {
    if (given.size() < 2 || given.size() > 3) gate_.bad_value("rows must be x, y and weights");
    gate_.inputs({{"x", given[0], rows.x}, {"y", given[1], rows.y}});
    if (given.size() == 3) gate_.inputs({{"sample_weight", given[2], rows.weight}});
    bricks_.require_width(gate_, rows.x);
    if (rows.x.shape[0] == 0) gate_.bad_value("x has no rows");
    bricks_.check_codes(gate_, rows.x);
  }

  void take_loss(const RowsGiven& rows) {
    const auto& [name, number, numbers, is_exact] = request_.program.loss;
    const int which = loss_called(gate_, name);
    if (!numbers.is_none() && !loss_numbers_.object) {
      gate_.inputs({{loss_facts[which].numbers, numbers, loss_numbers_}});
    }
    const CheckedLoss loss(gate_, which, number, loss_numbers_, bricks_.checked().outputs());
    const Size N = rows.x.shape[0], Y = loss.check_targets(gate_, rows.y, N);
    if (rows.weight.object) check_weights(gate_, rows.weight, N);
    if (&rows == &held_out_ && Y != loss_.options.columns) {
      gate_.bad_value("y has ", loss_.options.columns, " columns, but ", Y, " in held-out rows");
    }
    loss_ = {which, loss.template options<T>(Y), is_exact};
  }

  void check_sampler() {
    const BatchSampler& sampler = request_.sampler;
    const Size N = rows_.x.shape[0];
    if (request_.span.epochs < 1 || sampler.batch_size < 1) {
      gate_.bad_value("epochs and batch_size must be at least 1");
    }
    if (sampler.rows_per_epoch < 1 || (sampler.rows_per_epoch > N && !sampler.replacement)) {
      gate_.bad_value("rows_per_epoch is ", sampler.rows_per_epoch, " of ", N, " rows");
    }
    if (sampler.replacement && !sampler.seed) {
      gate_.bad_value("drawing rows with replacement needs a seed");
    }
    if (request_.span.first_step < 0 || request_.span.first_step > sampler.steps()) {
      gate_.bad_value("first_step is ", request_.span.first_step);
    }
  }

  void take_optimizer() {
    const auto& [name, settings, clip_norm, lr_factors] = request_.program.optimizer;
    optimizer_ = optimizer_settings(gate_, optimizer_called(gate_, name), settings);
    if (lr_factors.is_none()) return;
    Gate gate = Gate::casting_to<double>(function);
    gate.inputs({{"lr_factors", lr_factors, lr_factors_}});
    const double steps = double(request_.span.epochs) * double(request_.sampler.steps());
    if (double(lr_factors_.size) < steps) {
      gate.bad_value("lr_factors has ", lr_factors_.size, " numbers for ", steps, " steps");
    }
  }

  const TrainingRequest& request_;
  Gate gate_ = Gate::casting_to<T>(function);
  Bricks<T> bricks_;
  RowsGiven rows_, held_out_;
  Array loss_numbers_, outputs_, lr_factors_;
  LossSettings<T> loss_;
  OptimizerSettings optimizer_;
  Sharding<T> sharding_;
  Array shares_, values_, total_, column_shares_, column_total_;
};

using ProgramTuple = std::tuple<BrickList, LossSpec, OptimizerSpec, bool>;

TrainingRequest* new_request(ProgramTuple program, RowArrays rows, RowArrays held_out,
                             const BatchSampler& sampler, const TrainingSpan& span,
                             OptionalArrayObject outputs, int threads, ShardingSpec sharding) {
  auto& [bricks, loss, optimizer, is_float32] = program;
  return new TrainingRequest{{std::move(bricks), std::move(loss), std::move(optimizer), is_float32},
                             std::move(rows),
                             std::move(held_out),
                             sampler,
                             span,
                             std::move(outputs),
                             threads,
                             std::move(sharding)};
}

void train_network(const TrainingRequest& request, TrainingResult& result, Stop& stop) {
  request.program.float32 ? CheckedTraining<float>(request).run(result, stop)
                          : CheckedTraining<double>(request).run(result, stop);
}

// A number of each finished epoch.
template <double EpochResult::* number>
DoubleArray of_epochs(const TrainingResult& result) {
  const NewArray<double> values = new_array<double>(Size(result.epochs.size()));
  std::transform(result.epochs.begin(), result.epochs.end(), values.data,
                 [](const EpochResult& epoch) { return epoch.*number; });
  return values.array;
}

IndexArray row_order(Size count, std::uint64_t seed, std::uint64_t epoch) {
  const NewArray<Size> order = new_array<Size>(count);
  shuffle_rows(order.data, count, seed, epoch);
  return order.array;
}

IndexArray rows_of_epoch(const BatchSampler& sampler, Size n_rows, std::uint64_t epoch) {
  const Size count = sampler.rows_per_epoch;
  if (n_rows < 1 || (!sampler.replacement && n_rows < count)) {
    throw py::value_error("BatchSampler.order: cannot take " + std::to_string(count) + " of " +
                          std::to_string(n_rows) + " rows");
  }
  if (sampler.seed && !sampler.replacement) {
    return py::array(row_order(n_rows, *sampler.seed, epoch)[py::slice(0, count, 1)]);
  }
  const NewArray<Size> order = new_array<Size>(count);
  if (sampler.seed) {
    draw_rows(order.data, count, n_rows, *sampler.seed, epoch);
  } else {
    std::iota(order.data, order.data + count, Size(0));
  }
  return order.array;
}

}  // namespace

void bind_training(py::module_& module) {
  // Without pybind11's own metaclass, which is needed only for static properties and which the stub
  // cannot express.
  const py::metaclass plain(reinterpret_cast<PyObject*>(&PyType_Type));
  py::class_<Stop> stop(module, "Stop", plain);
  define_constructor(stop);
  stop.def_property_readonly("is_set", [](const Stop& self) { return self.is_set.load(); })
      .def("set", [](Stop& self) { self.is_set = true; })
      .def("pause", [](Stop& self) { self.pauses = true; });
  py::class_<BatchSampler> sampler(module, "BatchSampler", plain);
  define_constructor(
      sampler,
      +[](Size batch_size, Size rows_per_epoch, std::optional<std::uint64_t> seed,
          bool replacement) {
        return new BatchSampler{batch_size, rows_per_epoch, seed, replacement};
      },
      py::arg("batch_size"), py::arg("rows_per_epoch"), py::arg("seed"), py::arg("replacement"));
  sampler.def_readonly("batch_size", &BatchSampler::batch_size)
      .def_readonly("rows_per_epoch", &BatchSampler::rows_per_epoch)
      .def_readonly("seed", &BatchSampler::seed)
      .def_readonly("replacement", &BatchSampler::replacement)
      .def_property_readonly("steps", &BatchSampler::steps)
      .def("order", rows_of_epoch, py::arg("n_rows"), py::arg("epoch"));
  py::class_<TrainingSpan> span(module, "TrainingSpan", plain);
  define_constructor(
      span,
      +[](Size epochs, std::uint64_t first_epoch, Size first_step, double total) {
        return new TrainingSpan{epochs, first_epoch, first_step, total};
      },
      py::arg("epochs"), py::arg("first_epoch"), py::arg("first_step") = 0, py::arg("total") = 0.0);
  span.def_readonly("epochs", &TrainingSpan::epochs)
      .def_readonly("first_step", &TrainingSpan::first_step);
  py::class_<TrainingRequest> request(module, "TrainingRequest", plain);
  define_constructor(request, new_request, py::arg("program"), py::arg("rows"), py::arg("held_out"),
                     py::arg("sampler"), py::arg("span"), py::arg("outputs"), py::arg("threads"),
                     py::arg("sharding"));
  py::class_<TrainingResult> result(module, "TrainingResult", plain);
  define_constructor(result);
  result.def_property_readonly("losses", of_epochs<&EpochResult::loss>)
      .def_property_readonly("seconds", of_epochs<&EpochResult::seconds>)
      .def_property_readonly("held_out", of_epochs<&EpochResult::held_out>)
      .def_readonly("steps", &TrainingResult::steps)
      .def_readonly("total", &TrainingResult::total);
  module.def("train", train_network, py::arg("request"), py::arg("result"), py::arg("stop"));
  module.def("row_order", row_order, py::arg("count"), py::arg("seed"), py::arg("epoch"));
}

}  // namespace handnn
