// Constructors of bound classes. Behind one of py::init, pybind11 registers the new instance
// outside its own handling of exceptions, so std::bad_alloc would unwind the frames of the
// interpreter, which ends the process or leaves the interpreter broken. These register it within.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <utility>

namespace handnn {

namespace py = pybind11;

template <class T, class... Arguments>
void define_constructor(py::class_<T>& bound, T* (*make)(Arguments...), const auto&... names) {
  const auto construct = [make](py::detail::value_and_holder& place, Arguments... arguments) {
    std::unique_ptr<T> made(make(std::forward<Arguments>(arguments)...));
    place.value_ptr() = made.get();
    try {
      place.type->init_instance(place.inst, nullptr);
    } catch (...) {
      place.value_ptr() = nullptr;
      throw;
    }
    made.release();  // the instance owns it
  };
  bound.def("__init__", construct, py::detail::is_new_style_constructor(), names...);
}

// The constructor of a class without arguments.
template <class T>
void define_constructor(py::class_<T>& bound) {
  define_constructor(bound, +[] { return new T; });
}

}  // namespace handnn
