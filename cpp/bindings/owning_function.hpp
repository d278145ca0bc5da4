// A function of Python that owns a C++ object. py::cpp_function would do, but it copies strings
// with an unchecked strdup, and a call takes longer.
#pragma once

#include <pybind11/pybind11.h>

#include <exception>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace handnn {

namespace py = pybind11;

// Sets the error of Python for the exception that is being handled, and returns null.
inline PyObject* error_of_exception() {
  try {
    throw;
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (const py::builtin_exception& error) {
    error.set_error();
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return nullptr;
}

template <class Owned, auto function, class Call>
struct OwningCall;

template <class Owned, auto function, class Result, class First, class... Arguments>
struct OwningCall<Owned, function, Result (*)(First, Arguments...)> {
  static PyObject* call(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
    return apply(self, arguments, count, std::index_sequence_for<Arguments...>());
  }

 private:
  template <std::size_t... place>
  static PyObject* apply(PyObject* self, PyObject* const* arguments, Py_ssize_t count,
                         std::index_sequence<place...>) {
    if (count != Py_ssize_t(sizeof...(place))) {
      return PyErr_Format(PyExc_TypeError, "expected %d arguments, but %zd were given",
                          int(sizeof...(place)), count);
    }
    try {
      const auto* owned = static_cast<Owned*>(PyCapsule_GetPointer(self, nullptr));
      return function(*owned, Arguments(py::handle(arguments[place]))...).release().ptr();
    } catch (...) {
      return error_of_exception();
    }
  }
};

// A function of Python that calls function(*owned, arguments...) with its positional arguments,
// each of a type Argument.
template <class Owned, auto function>
py::object owning_function(const char* name, std::unique_ptr<Owned> owned) {
  using Call = OwningCall<Owned, function, decltype(function)>;
  static PyMethodDef method = {
      name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(Call::call)), METH_FASTCALL,
      nullptr};
  const auto destroy = [](PyObject* self) {
    delete static_cast<Owned*>(PyCapsule_GetPointer(self, nullptr));
  };
  PyObject* self =
      PyCapsule_New(const_cast<std::remove_const_t<Owned>*>(owned.get()), nullptr, destroy);
  if (!self) throw py::error_already_set();
  owned.release();
  const auto held = py::reinterpret_steal<py::object>(self);
  PyObject* made = PyCFunction_New(&method, self);
  if (!made) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(made);
}

}  // namespace handnn
