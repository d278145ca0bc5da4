#include "arrays.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace handnn {

namespace {

// NumPy's type numbers of the two dtypes (NPY_FLOAT and NPY_DOUBLE in numpy/ndarraytypes.h), which
// are part of its stable ABI.
constexpr int number_of_float32 = 11;
constexpr int number_of_float64 = 12;

// A shape as Python writes it: (3, 4).
std::string shape_text(const Size* shape, Size dimensions) {
  std::ostringstream text;
  text << '(';
  for (Size i = 0; i < dimensions; ++i) text << (i ? ", " : "") << shape[i];
  text << (dimensions == 1 ? ",)" : ")");
  return text.str();
}

std::string dtype_text(const py::array& array) { return text_of(array.dtype()); }

std::string type_text(py::handle value) {
  return text_of(py::type::handle_of(value).attr("__name__"));
}

// numpy.asarray and numpy.require, never released.
py::handle numpy_asarray, numpy_require;

bool is_aligned_and_contiguous(const py::array& array) {
  constexpr int both = int(py::array::c_style) | int(py::detail::npy_api::NPY_ARRAY_ALIGNED_);
  return (array.flags() & both) == both;
}

const void* dtype_address(PyObject* array) { return py::detail::array_proxy(array)->descr; }

bool is_same(PyObject* object, const void* data, const void* dtype) {
  const auto* array = py::detail::array_proxy(object);
  return array->data == data && array->descr == dtype;
}

bool is_same(PyObject* object, const void* data, const void* dtype, Size size) {
  return is_same(object, data, dtype) && py::reinterpret_borrow<py::array>(object).size() == size;
}

Array passed(const char* name, const py::array& array, const py::object& given) {
  Array result;
  result.name = name;
  result.object = array;
  result.given = given;
  result.data = const_cast<void*>(array.data());
  result.dtype = dtype_address(array.ptr());
  result.dimensions = array.ndim();
  result.size = array.size();
  std::copy_n(array.shape(), array.ndim(), result.shape.begin());
  return result;
}

// The range of bytes [first, second) that an array spans, for any strides.
std::pair<const char*, const char*> extent(const py::array& array) {
  const char* first = static_cast<const char*>(array.data());
  if (array.size() == 0) return {first, first};
  const char* last = first;
  for (py::ssize_t i = 0; i < array.ndim(); ++i) {
    const py::ssize_t reach = (array.shape(i) - 1) * array.strides(i);
    (reach < 0 ? first : last) += reach;
  }
  return {first, last + array.itemsize()};
}

bool overlap(const py::array& a, const py::array& b) {
  const auto [a_first, a_last] = extent(a);
  const auto [b_first, b_last] = extent(b);
  return a_first < b_last && b_first < a_last;
}

}  // namespace

void import_numpy() {
  const py::module_ numpy = py::module_::import("numpy");
  numpy_asarray = numpy.attr("asarray").cast<py::object>().release();
  numpy_require = numpy.attr("require").cast<py::object>().release();
  // pybind11 releases the GIL when it first looks up NumPy's functions. That lookup is done here,
  // and not in a thread that may outlive the interpreter: see gil.hpp.
  static_cast<void>(py::dtype::of<float>());
}

std::string shape_text(const Array& array) {
  return shape_text(array.shape.data(), array.dimensions);
}

bool is_unchanged(const Array& array) {
  PyObject* object = array.object.ptr();
  const auto* now = py::detail::array_proxy(object);
  if (!is_same(object, array.data, array.dtype) || now->nd != array.dimensions) return false;
  for (Size i = 0; i < array.dimensions; ++i) {
    if (now->dimensions[i] != array.shape[i]) return false;
  }
  return true;
}

void Gate::require_unchanged() const {
  for (std::size_t i = 0; i < seen_count_; ++i) {
    const Seen& seen = seen_[i];
    if (is_same(seen.object, seen.data, seen.dtype, seen.size)) continue;
    bad_value(seen.name, " was changed in place while the arguments were converted");
  }
}

Locked Gate::locked() const {
  Locked locked;
  for (std::size_t i = 0; i < seen_count_; ++i) {
    locked.add(py::reinterpret_borrow<py::object>(seen_[i].object));
  }
  return locked;
}

py::array Gate::as_array(const Input& input) const {
  if (py::isinstance<py::array>(input.value)) return py::reinterpret_borrow<py::array>(input.value);
  try {
    return call_python(numpy_asarray, input.value);
  } catch (py::error_already_set& error) {
    const std::string why = text_of(error.value());
    if (error.matches(PyExc_ValueError))
      bad_value(input.name, " is not an array of numbers: ", why);
    if (error.matches(PyExc_TypeError)) bad_type(input.name, " is not an array of numbers: ", why);
    throw;
  }
}

Gate::Dtype Gate::dtype_of(const Input& input, const py::array& array) const {
  const py::dtype dtype = array.dtype();
  const char kind = dtype.kind();
  const bool is_float16 = kind == 'f' && dtype.itemsize() == 2;
  if (kind == 'b' || kind == 'i' || kind == 'u' || is_float16) return Dtype::undecided;
  if (dtype.num() == number_of_float32 || dtype.num() == number_of_float64) {
    PyObject* value = input.value.ptr();
    if (PyList_Check(value) || PyTuple_Check(value) || PyFloat_Check(value))
      return Dtype::undecided;
    return dtype.num() == number_of_float32 ? Dtype::float32 : Dtype::float64;
  }
  bad_type(input.name,
           " must hold real numbers (float32, float64, float16, integers or booleans), but its "
           "dtype is ",
           dtype_text(array));
}

bool Gate::has_dtype(const py::array& array) const {
  const py::dtype dtype = array.dtype();
  const bool native = dtype.byteorder() == '=';
  return native &&
         dtype.num() == (dtype_ == Dtype::float32 ? number_of_float32 : number_of_float64);
}

void Gate::inputs(std::initializer_list<Input> inputs) {
  for (const Input& input : inputs) {
    const py::array given = as_array(input);
    input.array.given = given;
    const Dtype dtype = dtype_of(input, given);
    if (dtype == Dtype::undecided || dtype == dtype_ || casts_) continue;
    if (dtype_ != Dtype::undecided) {
      bad_type(input.name, " is ", dtype_name(dtype), " but ", decided_by_, " is ",
               dtype_name(dtype_), "; convert one of them");
    }
    dtype_ = dtype;
    decided_by_ = input.name;
  }
  if (dtype_ == Dtype::undecided) dtype_ = Dtype::float64;

  for (const Input& input : inputs) {
    const py::array given = py::reinterpret_borrow<py::array>(input.array.given);
    if (is_aligned_and_contiguous(given) && has_dtype(given)) {
      input.array.object = given;
    } else {
      input.array.object =
          call_python(numpy_require, given, py::str(dtype_name(dtype_)), py::str("CA"));
    }
  }
  // This check comes last, because a conversion may run Python code (a warning filter) that
  // reshapes an array.
  for (const Input& input : inputs) {
    const py::array array = input.array.as_array();
    if (!is_aligned_and_contiguous(array) || !has_dtype(array)) {
      bad_value(input.name, " was changed in place while the arguments were converted");
    }
    input.array = passed(input.name, array, input.array.given);
    seen_.at(seen_count_++) = seen_of(input.array);
  }
}

// Checks everything but the shape of an output.
Array Gate::checked_output(const char* name, py::handle given) {
  if (!py::isinstance<py::array>(given))
    bad_type(name, " must be a NumPy array, but is a ", type_text(given));
  const py::array array = py::reinterpret_borrow<py::array>(given);
  if (!has_dtype(array))
    bad_type(name, " must be ", dtype_name(dtype_), ", but is ", dtype_text(array));
  if (!array.writeable()) bad_value(name, " is read-only");
  if (!is_aligned_and_contiguous(array)) bad_value(name, " must be C-contiguous and aligned");
  bool is_seen = false;
  for (std::size_t i = 0; i < seen_count_; ++i) {
    const bool itself = std::strcmp(seen_[i].name, name) == 0;
    is_seen |= itself;
    if (!itself && overlap(array, py::reinterpret_borrow<py::array>(seen_[i].given))) {
      bad_value(name, " overlaps ", seen_[i].name, " in memory; pass an array that does not");
    }
  }
  const Array output = passed(name, array, array);
  if (!is_seen) seen_.at(seen_count_++) = seen_of(output);
  return output;
}

Array Gate::output(const char* name, py::handle given, const Size* shape, Size dimensions) {
  if (!given.is_none()) {
    Array out = checked_output(name, given);
    if (out.dimensions != dimensions || !std::equal(shape, shape + dimensions, out.shape.begin())) {
      bad_value(name, " must have shape ", shape_text(shape, dimensions), ", but has ",
                shape_text(out));
    }
    return out;
  }
  Size bytes = sizeof(double);
  for (Size i = 0; i < dimensions; ++i) {
    if (__builtin_mul_overflow(bytes, shape[i], &bytes)) {
      bad_value(name, " would have shape ", shape_text(shape, dimensions),
                ", which is too large for memory");
    }
  }
  py::dtype dtype(dtype_ == Dtype::float32 ? number_of_float32 : number_of_float64);
  // As py::array does, without its vectors of shape and strides, which one row would notice.
  const auto& numpy = py::detail::npy_api::get();
  PyObject* made =
      numpy.PyArray_NewFromDescr_(numpy.PyArray_Type_, dtype.release().ptr(), int(dimensions),
                                  shape, nullptr, nullptr, 0, nullptr);
  if (!made) throw py::error_already_set();
  const auto array = py::reinterpret_steal<py::array>(made);
  return passed(name, array, array);
}

Array Gate::output(const char* name, py::handle given, std::initializer_list<Size> shape) {
  return output(name, given, shape.begin(), Size(shape.size()));
}

Array Gate::output_like(const char* name, py::handle given, const Array& like) {
  return output(name, given, like.shape.data(), like.dimensions);
}

void Gate::require_apart(const Array& output, const Array& other) const {
  if (!overlap(output.as_array(), other.as_array())) return;
  bad_value(output.name, " overlaps ", other.name, " in memory; pass an array that does not");
}

double Gate::number(const char* name, py::handle given) const {
  const double value = without_unwinding([&] { return PyFloat_AsDouble(given.ptr()); });
  if (value == -1.0 && PyErr_Occurred()) {
    const bool is_too_large = PyErr_ExceptionMatches(PyExc_OverflowError);
    PyErr_Clear();
    if (is_too_large) bad_value(name, " is too large for a float");
    bad_type(name, " must be a number, but is a ", type_text(given));
  }
  return value;
}

bool Gate::flag(const char* name, py::handle given) const {
  if (!PyBool_Check(given.ptr())) bad_type(name, " must be a bool, but is a ", type_text(given));
  return given.ptr() == Py_True;
}

std::string Gate::word(const char* name, py::handle given) const {
  if (!PyUnicode_Check(given.ptr())) bad_type(name, " must be a str, but is a ", type_text(given));
  Py_ssize_t length = 0;
  const char* text = PyUnicode_AsUTF8AndSize(given.ptr(), &length);
  if (!text) {  // an unpaired surrogate
    PyErr_Clear();
    bad_value(name, " is not valid Unicode");
  }
  return {text, std::size_t(length)};
}

void Gate::require_dimensions(const Array& array, Size dimensions) const {
  if (array.dimensions == dimensions) return;
  bad_value(array.name, " must have ", dimensions, dimensions == 1 ? " dimension" : " dimensions",
            ", but its shape is ", shape_text(array));
}

void Gate::require_same_shape(const Array& a, const Array& b) const {
  if (a.dimensions == b.dimensions &&
      std::equal(a.shape.begin(), a.shape.begin() + a.dimensions, b.shape.begin()))
    return;
  bad_value(a.name, " has shape ", shape_text(a), " but ", b.name, " has shape ", shape_text(b));
}

}  // namespace handnn
