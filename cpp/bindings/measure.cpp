// What benchmarks measure without Python in between: the CPU's peak, and products beside it.
#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "bind.hpp"
#include "kernels/dispatch.hpp"

namespace handnn {

namespace py = pybind11;

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

constexpr Size turns = 20000;  // of fma_chains: a tenth of a millisecond or so

// Operations a second of one thread that does nothing but multiply-adds, in one short round.
template <class T>
double peak_round() {
  alignas(64) T sink[64 / sizeof(T)] = {};
  const Clock::time_point start = Clock::now();
  const double done = active_kernels<T>().fma_chains(sink, turns);
  return done / seconds_since(start);
}

// The most float32 operations a second that one thread reaches, in the best of many short rounds.
double measure_fma_peak(double seconds) {
  const py::gil_scoped_release unlocked;
  double best = 0;
  const Clock::time_point begin = Clock::now();
  do {
    best = std::max(best, peak_round<float>());
  } while (seconds_since(begin) < seconds);
  return best;
}

// The best rounds of one product and of the peak, in turns: operations a second of both.
template <class T>
std::pair<double, double> product_beside_peak(const std::string& form, Size N, Size I, Size O,
                                              double seconds) {
  const Kernels<T>& kernels = active_kernels<T>();
  const auto filled = [](Size size) { return std::vector<T>(std::size_t(size), T(0.5)); };
  std::vector<T> x = filled(N * I), w = filled(I * O), b = filled(O), out = filled(N * O),
                 scratch = filled(kernels.scratch_size);
  const auto product = [&] {
    if (form == "nn") {
      kernels.affine_forward(out.data(), x.data(), w.data(), b.data(), scratch.data(), N, I, O);
    } else if (form == "tn") {
      kernels.matmul_tn(w.data(), x.data(), out.data(), scratch.data(), N, I, O, I);
    } else {
      kernels.matmul_nt(x.data(), out.data(), w.data(), scratch.data(), N, I, O);
    }
  };
  const double operations = 2.0 * double(N) * double(I) * double(O);
  const Size repeats = 1 + Size(2e6 / operations);
  double best = 0, peak = 0;
  const Clock::time_point begin = Clock::now();
  do {
    const Clock::time_point start = Clock::now();
    for (Size i = 0; i < repeats; ++i) product();
    best = std::max(best, operations * double(repeats) / seconds_since(start));
    peak = std::max(peak, peak_round<T>());
    // All numbers as they were: sums of sums would soon be infinite.
    std::fill(x.begin(), x.end(), T(0.5));
    std::fill(w.begin(), w.end(), T(0.5));
    std::fill(out.begin(), out.end(), T(0.5));
  } while (seconds_since(begin) < seconds);
  return {best, peak};
}

// form: "nn" x·w + b, "tn" xᵀ·dout, "nt" dout·wᵀ, for x (N, I), w (I, O), dout (N, O).
py::tuple measure_product(const std::string& form, Size N, Size I, Size O, bool float32,
                          double seconds) {
  if (form != "nn" && form != "tn" && form != "nt") {
    throw py::value_error("measure_product: form must be \"nn\", \"tn\" or \"nt\"");
  }
  if (std::min({N, I, O}) < 1 || std::max({N, I, O}) > 4096) {
    throw py::value_error("measure_product: N, I and O must be from 1 to 4096");
  }
  std::pair<double, double> speeds;
  {
    const py::gil_scoped_release unlocked;
    speeds = float32 ? product_beside_peak<float>(form, N, I, O, seconds)
                     : product_beside_peak<double>(form, N, I, O, seconds);
  }
  return py::make_tuple(speeds.first, speeds.second);
}

}  // namespace

void bind_measure(py::module_& module) {
  module.def("measure_fma_peak", measure_fma_peak, py::arg("seconds"));
  module.def("measure_product", measure_product, py::arg("form"), py::arg("N"), py::arg("I"),
             py::arg("O"), py::arg("float32"), py::arg("seconds"));
}

}  // namespace handnn
