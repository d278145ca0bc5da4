// The GIL, released and taken back by threads that may outlive the interpreter.
//
// When a daemon thread asks for the GIL while the interpreter shuts down, Python ends the thread
// with pthread_exit, which unwinds its stack. A destructor that takes the GIL back would turn that
// into std::terminate, and other destructors would touch Python objects without the GIL. So such a
// thread stops where it is until the process ends, as Python 3.14 lets it do.
#pragma once

#include <pybind11/pybind11.h>

#if defined(__GLIBCXX__) && !defined(_WIN32)
#include <cxxabi.h>
#include <unistd.h>
#define HANDNN_THREADS_UNWIND 1
#endif

namespace handnn {

// Returns f(), which may take the GIL; does not return if Python ends the thread in it.
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

// Releases the GIL for its lifetime, if that is worth it.
class Unlocked {
 public:
  explicit Unlocked(bool is_worth_it = true)
      : state_(is_worth_it ? PyEval_SaveThread() : nullptr) {}
  ~Unlocked() {
    if (state_) take_back();
  }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

  // Returns f(), called with the GIL. f returns a number.
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
