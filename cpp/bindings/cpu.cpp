#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>

#include "bind.hpp"
#include "kernels/dispatch.hpp"

namespace handnn {

namespace py = pybind11;

namespace {

#if defined(__x86_64__)
constexpr const char* architecture = "x86_64";
#else
constexpr const char* architecture = "arm64";
#endif

#if defined(__clang__)
constexpr const char* compiler = "Clang " __clang_version__;
#else
constexpr const char* compiler = "GCC " __VERSION__;
#endif

py::dict cpu_info() {
  py::list compiled, supported;
  for (const Isa& isa : compiled_isas()) {
    compiled.append(isa.name);
    if (isa.supported) supported.append(isa.name);
  }
  py::dict info;
  info["cpu"] = cpu_name();
  info["architecture"] = architecture;
  info["isa"] = active_isa().name;
  info["supported"] = supported;
  info["compiled"] = compiled;
  info["fma"] = std::strcmp(active_isa().name, "v2") != 0;
  info["compiler"] = compiler;
  return info;
}

// The most float32 operations a second that one thread reaches, in the best of many short rounds.
double measure_fma_peak(double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const py::gil_scoped_release unlocked;
  alignas(64) float sink[16] = {};
  double best = 0;
  const Clock::time_point begin = Clock::now();
  do {
    const Clock::time_point start = Clock::now();
    const double done = active_kernels<float>().fma_chains(sink, 20000);
    best = std::max(best, done / since(start));
  } while (since(begin) < seconds);
  return best;
}

// HANDNN_ISA names the instruction set to use; without it the best one is.
void choose_isa() {
  const char* wanted = std::getenv("HANDNN_ISA");
  if (activate_isa(wanted)) return;
  std::string supported;
  for (const Isa& isa : compiled_isas()) {
    if (isa.supported) supported += (supported.empty() ? "" : ", ") + std::string(isa.name);
  }
  if (supported.empty())
    throw py::import_error("handnn needs a CPU with x86-64-v2 (SSE4.2; since about 2009)");
  throw py::import_error("HANDNN_ISA is \"" + std::string(wanted) + "\", but this CPU supports " +
                         supported);
}

}  // namespace

void bind_cpu(py::module_& module) {
  choose_isa();
  module.def("cpu_info", cpu_info);
  module.def("measure_fma_peak", measure_fma_peak, py::arg("seconds"));
}

}  // namespace handnn
