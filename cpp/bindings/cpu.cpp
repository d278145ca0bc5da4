#include <cstdlib>
#include <cstring>
#include <string>

#include "arguments.hpp"
#include "bind.hpp"
#include "kernels/dispatch.hpp"

namespace handnn {

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

CpuInfo cpu_info() {
  py::list compiled, supported;
  for (const Isa& isa : compiled_isas()) {
    compiled.append(isa.name);
    if (isa.supported) supported.append(isa.name);
  }
  CpuInfo info;
  info["cpu"] = cpu_name();
  info["architecture"] = architecture;
  info["isa"] = active_isa().name;
  info["supported"] = supported;
  info["compiled"] = compiled;
  info["fma"] = std::strcmp(active_isa().name, "v2") != 0;
  info["compiler"] = compiler;
  return info;
}

// HANDNN_ISA names the instruction set to use; the best one is the default.
void choose_isa() {
  const char* wanted = std::getenv("HANDNN_ISA");
  if (activate_isa(wanted)) return;
  std::string supported;
  for (const Isa& isa : compiled_isas()) {
    if (isa.supported) supported += (supported.empty() ? "" : ", ") + std::string(isa.name);
  }
  if (supported.empty())
    throw py::import_error("handnn needs a CPU with x86-64-v2 (SSE4.2; since about 2009)");
  std::string shown = wanted;
  for (char& c : shown) c = c >= ' ' && c <= '~' ? c : '?';
  throw py::import_error("HANDNN_ISA is \"" + shown + "\", but this CPU supports " + supported);
}

}  // namespace

void bind_cpu(py::module_& module) {
  choose_isa();
  module.def("cpu_info", cpu_info, R"(
Return the names of the CPU, the instruction sets and the compiler as a dict.

"isa" is the instruction set in use. "supported" lists those that this CPU supports, "compiled"
those in the extension. "fma" is true if multiply-adds are fused; results have the same bits on
all CPUs where it is true.

Examples:
    >>> info = handnn.cpu_info()
    >>> info["isa"] in info["supported"]
    True
)");
}

}  // namespace handnn
