// Signal handlers that are replaced while a function runs.
#include <pybind11/pybind11.h>

#include <optional>
#include <utility>
#include <vector>

#include "arguments.hpp"
#include "bind.hpp"

namespace handnn {

namespace {

using Function = Annotated<py::object, kinds::Function>;
using Handler = Annotated<py::object, kinds::SignalHandler>;
using Numbers = Annotated<py::list, kinds::Signals>;
using Handlers = Annotated<py::dict, kinds::SignalHandlers>;
using Waiting = Annotated<py::dict, kinds::WaitingSignals>;

// Python's functions without the enums of signal.py, which is Python code that a handler could
// interrupt. signal.signal also runs the handlers of pending signals first, so it may raise.
struct SignalModule {
  py::module_ module = py::module_::import("_signal");
  py::object set = module.attr("signal"), get = module.attr("getsignal");
};

// The handlers that are written in Python, by signal. signal.py would take half as long as a short
// fit, because it converts every signal and handler to an enum.
Handlers signal_handlers() {
  const SignalModule signals;
  Handlers found;
  const int end = signals.module.attr("NSIG").cast<int>();
  for (int number = 1; number < end; ++number) {
    try {
      const py::object handler = signals.get(number);
      if (PyCallable_Check(handler.ptr())) found[py::int_(number)] = handler;
    } catch (const py::error_already_set&) {
      continue;  // not a signal, on Windows
    }
  }
  return found;
}

// Handlers to restore.
class Replaced {
 public:
  Replaced(const Numbers& numbers, const Handler& handler) : handler_(handler) {
    for (const py::handle number : numbers) {
      py::object before = signals_.get(number);
      try {
        signals_.set(number, handler);
      } catch (...) {
        put_back();
        throw;
      }
      before_.emplace_back(py::reinterpret_borrow<py::object>(number), std::move(before));
    }
  }

  // Restores every handler, even if some of them raise; returns the first exception. A handler that
  // other code has set in the meantime is kept.
  std::optional<py::error_already_set> put_back() {
    std::optional<py::error_already_set> first;
    for (const auto& [number, before] : before_) {
      for (int tries = 0; tries < max_tries; ++tries) {
        try {
          if (signals_.get(number).is(handler_)) signals_.set(number, before);
          break;
        } catch (py::error_already_set& error) {
          if (!first) first.emplace(std::move(error));
        }
      }
    }
    return first;
  }

 private:
  static constexpr int max_tries = 100'000;  // each one runs the handlers of pending signals

  SignalModule signals_;
  py::object handler_;
  std::vector<std::pair<py::object, py::object>> before_;
};

// Returns function(), called while `handler` handles the signals of `numbers`. At the end the
// previous handlers are restored, and the signals that are keys of `waiting` are sent to them.
// Python checks for signals only between its own instructions, so none can arrive in between.
py::object with_handler(const Numbers& numbers, const Handler& handler, const Waiting& waiting,
                        const Function& function) {
  Replaced replaced(numbers, handler);
  py::object result;
  std::optional<py::error_already_set> error;
  try {
    result = function();
  } catch (py::error_already_set& raised) {
    error.emplace(std::move(raised));
  }
  std::optional<py::error_already_set> late = replaced.put_back();
  for (const auto& [number, none] : waiting) PyErr_SetInterruptEx(number.cast<int>());
  waiting.attr("clear")();
  if (error) throw std::move(*error);
  if (late) throw std::move(*late);
  return result;
}

}  // namespace

void bind_signals(py::module_& module) {
  module.def("signal_handlers", signal_handlers);
  module.def("with_handler", with_handler, py::arg("numbers"), py::arg("handler"),
             py::arg("waiting"), py::arg("function"));
}

}  // namespace handnn
