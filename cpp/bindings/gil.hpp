// The GIL, released and reacquired by threads that may outlive the interpreter.
//
// When a daemon thread asks for the GIL while the interpreter shuts down, Python ends the thread
// with pthread_exit, which unwinds its stack. A destructor that reacquires the GIL would turn that
// into std::terminate, and other destructors would free Python objects without the GIL. So such a
// thread blocks until the process ends, as in Python 3.14.
//
// Code that runs Python or copies an array in NumPy may ask for the GIL. Bindings do this only
// in without_unwinding.
#pragma once

#include <pybind11/pybind11.h>

#include <string>

#if defined(__GLIBCXX__) && !defined(_WIN32)
#include <cxxabi.h>
#include <unistd.h>
#define HANDNN_THREADS_UNWIND 1
#endif

namespace handnn {

namespace py = pybind11;

// Returns f(), which may take the GIL; does not return if Python ends the thread in it. f returns a
// number or a new reference, and has no variable with a destructor: it would run without the GIL.
template <class F>
auto without_unwinding(F f) {
#ifdef HANDNN_THREADS_UNWIND
  try {
    return f();
  } catch (abi::__forced_unwind&) {
    for (;;) pause();
  }
#else
  return f();
#endif
}

// Returns function(arguments...), called in Python.
template <class... Arguments>
py::object call_python(py::handle function, Arguments... arguments) {
  PyObject* result = without_unwinding([&] {
    return PyObject_CallFunctionObjArgs(function.ptr(), py::handle(arguments).ptr()..., nullptr);
  });
  if (!result) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(result);
}

// Returns str(object).
inline std::string text_of(py::handle object) {
  PyObject* text = without_unwinding([&] { return PyObject_Str(object.ptr()); });
  if (!text) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(text);
}

// Releases the GIL for its lifetime, if the work is large enough.
class Unlocked {
 public:
  explicit Unlocked(bool is_worth_it = true)
      : state_(is_worth_it ? PyEval_SaveThread() : nullptr) {}
  ~Unlocked() {
    if (state_) take_back();
  }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

  // Returns f(), called with the GIL, as without_unwinding does.
  template <class F>
  auto locked(F f) {
    take_back();
    const auto result = without_unwinding(f);
    state_ = PyEval_SaveThread();
    return result;
  }

 private:
  void take_back() {
    without_unwinding([this] {
      PyEval_RestoreThread(state_);
      return 0;
    });
  }

  PyThreadState* state_;
};

}  // namespace handnn
