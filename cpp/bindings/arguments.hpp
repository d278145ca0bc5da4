// The types of arguments and results in signatures, from which the stub _core.pyi is generated.
//
// An argument of such a type takes any object: the gate (arrays.hpp) checks it, with a message that
// names the argument.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <utility>

namespace handnn {

namespace py = pybind11;

template <class Kind>
class Argument {
 public:
  Argument() = default;
  Argument(py::handle given) : given_(given) {}

  operator py::handle() const { return given_; }
  explicit operator bool() const { return bool(given_); }
  bool is_none() const { return given_.is_none(); }

 private:
  py::handle given_;
};

// A result: an array of float32 or float64, of float64, or of row numbers.
template <class Kind>
struct Returned : py::array {
  Returned(py::array array) : py::array(std::move(array)) {}
};

namespace kinds {

#define HANDNN_KIND(Kind, annotation)                                \
  struct Kind {                                                      \
    static constexpr auto name = py::detail::const_name(annotation); \
  };
HANDNN_KIND(ArrayLike, "numpy.typing.ArrayLike")
HANDNN_KIND(OptionalArrayLike, "numpy.typing.ArrayLike | None")
HANDNN_KIND(FloatArray, "numpy.typing.NDArray[numpy.floating]")
HANDNN_KIND(OptionalFloatArray, "numpy.typing.NDArray[numpy.floating] | None")
HANDNN_KIND(DoubleArray, "numpy.typing.NDArray[numpy.float64]")
HANDNN_KIND(IndexArray, "numpy.typing.NDArray[numpy.int64]")
HANDNN_KIND(Number, "float")
HANDNN_KIND(Flag, "bool")
HANDNN_KIND(Word, "str")
HANDNN_KIND(OptionalDoubles, "numpy.typing.NDArray[numpy.float64] | None")
HANDNN_KIND(Rows, "tuple[numpy.typing.NDArray[numpy.floating], ...]")
HANDNN_KIND(Settings, "dict[str, float]")
HANDNN_KIND(Signals, "list[int]")
HANDNN_KIND(WaitingSignals, "dict[int, None]")
HANDNN_KIND(SignalHandler, "collections.abc.Callable[[int, types.FrameType | None], object]")
HANDNN_KIND(SignalHandlers,
            "dict[int, collections.abc.Callable[[int, types.FrameType | None], object]]")
HANDNN_KIND(Function, "collections.abc.Callable[[], typing.Any]")
HANDNN_KIND(CpuInfo, "dict[str, str | bool | list[str]]")
HANDNN_KIND(Bricks,
            "list[tuple[str, collections.abc.Mapping[str, float | tuple[int, ...]], "
            "collections.abc.Mapping[str, numpy.typing.NDArray[numpy.floating]], "
            "collections.abc.Mapping[str, tuple[collections.abc.Sequence["
            "numpy.typing.NDArray[numpy.floating]], float, float]]]]")
#undef HANDNN_KIND

}  // namespace kinds

using ArrayLike = Argument<kinds::ArrayLike>;
using OptionalArrayLike = Argument<kinds::OptionalArrayLike>;
using InOutArray = Argument<kinds::FloatArray>;        // modified in place
using OutArray = Argument<kinds::OptionalFloatArray>;  // overwritten; None allocates a new array
using Number = Argument<kinds::Number>;
using Flag = Argument<kinds::Flag>;
using Word = Argument<kinds::Word>;
using FloatArray = Returned<kinds::FloatArray>;
using DoubleArray = Returned<kinds::DoubleArray>;
using IndexArray = Returned<kinds::IndexArray>;

// A Python container with the stub type of Kind.
template <class Container, class Kind>
struct Annotated : Container {
  using Container::Container;
  static bool check_(py::handle given) { return py::isinstance<Container>(given); }
};
using SettingsDict = Annotated<py::dict, kinds::Settings>;  // see settings.hpp
using BrickList = Annotated<py::list, kinds::Bricks>;       // see bricks.hpp
using CpuInfo = Annotated<py::dict, kinds::CpuInfo>;
using RowArrays = Annotated<py::tuple, kinds::Rows>;
using OptionalArrayObject = Annotated<py::object, kinds::OptionalFloatArray>;
using OptionalFactors = Annotated<py::object, kinds::OptionalDoubles>;

}  // namespace handnn

namespace pybind11::detail {

template <class Kind>
struct type_caster<handnn::Argument<Kind>> {
  PYBIND11_TYPE_CASTER(handnn::Argument<Kind>, Kind::name);
  bool load(handle given, bool) {
    value = given;
    return true;
  }
};

template <class Kind>
struct handle_type_name<handnn::Returned<Kind>> {
  static constexpr auto name = Kind::name;
};

template <class Container, class Kind>
struct handle_type_name<handnn::Annotated<Container, Kind>> {
  static constexpr auto name = Kind::name;
};

}  // namespace pybind11::detail
