// The number of threads, and prediction.
#include <pybind11/typing.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "bind.hpp"
#include "bricks.hpp"
#include "engine/pool.hpp"
#include "engine/predict.hpp"
#include "owning_function.hpp"

namespace handnn {

namespace {

using MaybeArray = py::typing::Optional<FloatArray>;

template <class T>
double work_of_row(const CheckedBricks<T>& bricks) {
  double work = 0;
  for (const Brick<T>& brick : bricks) work += brick.work() / 3;
  return work;
}

// None if an array of a brick was resized or reshaped since the bricks were read.
template <class T>
MaybeArray predict_as(const Bricks<T>& bricks, ArrayLike x_any, OutArray out_any) {
  Gate gate = Gate::casting_to<T>("Network.predict");
  Array x;
  gate.inputs({{"x", x_any, x}});
  if (!bricks.is_unchanged()) return py::none();
  bricks.require_width(gate, x);
  bricks.check_codes(gate, x);
  const Size N = x.shape[0];
  const Array out = gate.output("out", out_any, {N, bricks.checked().outputs()});
  if (!out_any.is_none()) bricks.require_apart(gate, out);
  const double work = work_of_row(bricks.checked());
  const Kernels<T>& kernels = active_kernels<T>();
  T* scratch = scratch_memory<T>(predict_scratch(kernels, bricks.checked()));
  gate.run(work * double(N),
           [&](auto&) { predict<T>(kernels, bricks.checked(), out, x, scratch, N); });
  return out.as_array();
}

using Predictor = py::typing::Callable<MaybeArray(ArrayLike, OutArray)>;

template <class T>
Predictor predictor_as(const py::list& described) {
  using Owned = const Bricks<T>;
  return Predictor(owning_function<Owned, predict_as<T>>(
      "predict", std::make_unique<Owned>("Network.predict", described)));
}

// A network's forward pass as a function (x, out or None) -> out. The bricks are read once, so that
// the overhead of a call with one row is small. Several threads may call it at once.
Predictor predictor(const BrickList& bricks, bool float32) {
  return float32 ? predictor_as<float>(bricks) : predictor_as<double>(bricks);
}

// None if an array of a brick was resized or reshaped since the bricks were read.
template <class T>
MaybeArray predict_all_as(const std::vector<Bricks<T>>& networks, ArrayLike x_any) {
  Gate gate = Gate::casting_to<T>("Network.predict");
  Array x;
  gate.inputs({{"x", x_any, x}});
  const Kernels<T>& kernels = active_kernels<T>();
  double work = 0;
  Size scratch_size = 0;
  for (const Bricks<T>& network : networks) {
    if (!network.is_unchanged()) return py::none();
    network.require_width(gate, x);
    network.check_codes(gate, x);
    work += work_of_row(network.checked());
    scratch_size = std::max(scratch_size, predict_scratch(kernels, network.checked()));
  }
  const Size N = x.shape[0], O = networks[0].checked().outputs();
  const Array out = gate.output("out", py::none(), {Size(networks.size()), N, O});
  T* scratch = scratch_memory<T>(scratch_size);
  gate.run(work * double(N), [&](auto&) {
    T* here = out;
    for (const Bricks<T>& network : networks) {
      predict<T>(kernels, network.checked(), here, x, scratch, N);
      here += N * O;
    }
  });
  return out.as_array();
}

using BagPredictor = py::typing::Callable<MaybeArray(ArrayLike)>;

template <class T>
BagPredictor bag_predictor_as(const py::list& described) {
  using Owned = std::vector<Bricks<T>>;
  auto networks = std::make_unique<Owned>();
  networks->reserve(described.size());
  for (const py::handle bricks : described) {
    networks->emplace_back("Network.predict", bricks.cast<py::list>());
    if (networks->back().checked().outputs() != networks->front().checked().outputs()) {
      throw py::value_error("the networks have different numbers of outputs");
    }
  }
  return BagPredictor(owning_function<Owned, predict_all_as<T>>("predict", std::move(networks)));
}

// The forward pass of several networks with as many outputs as a function x -> out (K, N, O).
BagPredictor bag_predictor(const py::typing::List<BrickList>& networks, bool float32) {
  return float32 ? bag_predictor_as<float>(networks) : bag_predictor_as<double>(networks);
}

constexpr int max_threads = 1024;

int checked_threads(const char* what, long threads) {
  if (threads < 1 || threads > max_threads) {
    throw py::value_error(std::string(what) + " must be an integer from 1 to " +
                          std::to_string(max_threads));
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
  module.def("get_num_threads", num_threads, R"(
Return the number of threads that the compiled engine may use.

The default is the number of CPUs that the process may use, or HANDNN_NUM_THREADS. Results do
not depend on it.

Examples:
    >>> handnn.get_num_threads() >= 1
    True
)");
  module.def(
      "set_num_threads",
      [](long threads) { set_num_threads(checked_threads("set_num_threads: n", threads)); },
      py::arg("n"), R"(
Set the number of threads that the compiled engine may use, from 1 to 1024.

Results do not depend on it. Raises ValueError for other numbers.

Examples:
    >>> before = handnn.get_num_threads()
    >>> handnn.set_num_threads(1)
    >>> handnn.get_num_threads()
    1
    >>> handnn.set_num_threads(before)
)");
  module.def("predictor", predictor, py::arg("bricks"), py::arg("float32"));
  module.def("bag_predictor", bag_predictor, py::arg("networks"), py::arg("float32"));
}

}  // namespace handnn
