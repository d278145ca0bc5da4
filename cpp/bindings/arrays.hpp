// The gate checks and converts every array that enters or leaves the extension. A binding reads:
//
//   Gate gate("affine_forward");                       messages start with this name
//   Array x, w;
//   gate.inputs({{"x", x_any, x}, {"w", w_any, w}});   converted by np.asarray to one dtype
//   gate.require_dimensions(x, 2); ...                 check the shapes
//   Array out = gate.output("out", out_any, {N, O});   checked strictly, or new for None
//   gate.run(work, [&](auto& kernels) { kernels.affine_forward(out, x, w, ...); });
//
// An input that is C-contiguous, aligned and of the call's dtype is used in place; any other is
// copied. The call's dtype is that of its float32 or float64 arrays, which must agree. Integers,
// booleans, float16, lists and numbers are converted to it; without a float array it is float64.
//
// Converting an argument may run Python code that changes another one in place. So the gate reads
// dtype, shape and address after the conversions, and run checks that they are still the same.
// While the GIL is released no array can be resized; another thread must not write them meanwhile,
// as for NumPy's own functions.
#pragma once

#include <array>
#include <initializer_list>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "gil.hpp"
#include "kernels/dispatch.hpp"

namespace handnn {

constexpr std::size_t max_dimensions = 64;  // NumPy's own limit

// A checked buffer: C-contiguous, aligned, native byte order, of the call's dtype.
struct Array {
  const char* name = nullptr;
  py::object object;  // the NumPy array, held until the binding returns
  py::object given;   // the caller's object; the same as `object` unless copied
  void* data = nullptr;
  const void* dtype = nullptr;  // the address of its dtype object
  // A copy, because another thread may reshape the array while the GIL is released.
  std::array<Size, max_dimensions> shape;
  Size dimensions = 0, size = 0;

  py::array as_array() const { return py::reinterpret_borrow<py::array>(object); }

  // The address for a kernel: gate.run calls the kernels of the call's dtype.
  template <class T>
  operator T*() const {
    return static_cast<T*>(data);
  }
};

// Looks up the functions of NumPy that the gate calls; called when the module is imported.
void import_numpy();

// Its shape as Python writes it: (3, 4).
std::string shape_text(const Array& array);

// Whether the NumPy array still has the address, dtype and shape that were checked.
bool is_unchanged(const Array& array);

// Arrays that cannot be resized: NumPy does not resize arrays with weak references.
class Locked {
 public:
  void add(const py::object& array) {
    PyObject* made = without_unwinding([&] { return PyWeakref_NewRef(array.ptr(), nullptr); });
    if (!made) throw py::error_already_set();
    references_.push_back(py::reinterpret_steal<py::object>(made));
  }

 private:
  std::vector<py::object> references_;
};

struct Input {
  const char* name;
  py::handle value;
  Array& array;  // set after the checks
};

class Gate {
 public:
  explicit Gate(const char* function) : function_(function) {}

  // A gate for a call of dtype T: inputs of the other float dtype are cast.
  template <class T>
  static Gate casting_to(const char* function) {
    Gate gate(function);
    gate.dtype_ = sizeof(T) == 4 ? Dtype::float32 : Dtype::float64;
    gate.casts_ = true;
    return gate;
  }

  void inputs(std::initializer_list<Input> inputs);

  // An array that the call writes: `given`, which must have the exact dtype and shape (else
  // TypeError or ValueError), or a new one for None.
  Array output(const char* name, py::handle given, std::initializer_list<Size> shape);
  Array output_like(const char* name, py::handle given, const Array& like);

  // Checks an input that the call also writes as strictly as an output.
  void require_writable(const Array& input, py::handle given) { checked_output(input.name, given); }

  // Raises ValueError if an output overlaps an array that is not among the inputs.
  void require_apart(const Array& output, const Array& other) const;

  // Options: TypeError for another type.
  double number(const char* name, py::handle given) const;
  bool flag(const char* name, py::handle given) const;
  std::string word(const char* name, py::handle given) const;

  // Releasing and reacquiring the GIL takes 0.1 microseconds; this much work takes about 2.
  static constexpr double worth_unlocking = 32768;

  bool is_float32() const { return dtype_ == Dtype::float32; }

  void require_dimensions(const Array& array, Size dimensions) const;

  // Raises ValueError if an array of this call was changed in place since it was checked.
  void require_unchanged() const;

  // Keeps the arrays of this call from being resized.
  Locked locked() const;
  void require_same_shape(const Array& a, const Array& b) const;

  template <class... Parts>
  [[noreturn]] void bad_value(const Parts&... parts) const {
    throw py::value_error(message(parts...));
  }
  template <class... Parts>
  [[noreturn]] void bad_type(const Parts&... parts) const {
    throw py::type_error(message(parts...));
  }

  // Calls f with the kernels of the call's dtype, and releases the GIL if the work is large enough.
  // `work` is the cost in multiply-adds; a double, because it cannot overflow.
  template <class F>
  auto run(double work, F f) const {
    require_unchanged();
    const bool unlocks = work >= worth_unlocking;
    const Locked locked = unlocks ? this->locked() : Locked();
    const Unlocked unlocked(unlocks);
    return dtype_ == Dtype::float32 ? f(active_kernels<float>()) : f(active_kernels<double>());
  }

 private:
  enum class Dtype { undecided, float32, float64 };
  static const char* dtype_name(Dtype dtype) {
    return dtype == Dtype::float32 ? "float32" : "float64";
  }

  template <class... Parts>
  std::string message(const Parts&... parts) const {
    std::ostringstream text;
    text << function_ << ": ";
    (text << ... << parts);
    return text.str();
  }

  py::array as_array(const Input& input) const;
  Dtype dtype_of(const Input& input, const py::array& array) const;
  bool has_dtype(const py::array& array) const;
  Array output(const char* name, py::handle given, const Size* shape, Size dimensions);
  Array checked_output(const char* name, py::handle given);

  // A checked array; its objects live as long as the Array that the binding holds.
  struct Seen {
    const char* name;
    PyObject *object, *given;
    const void *data, *dtype;
    Size size;
  };
  static Seen seen_of(const Array& array) {
    return {array.name, array.object.ptr(), array.given.ptr(), array.data, array.dtype, array.size};
  }
  static constexpr std::size_t max_arrays = 8;

  const char* function_;
  Dtype dtype_ = Dtype::undecided;
  const char* decided_by_ = nullptr;  // the argument that determined the dtype
  bool casts_ = false;
  std::array<Seen, max_arrays> seen_;
  std::size_t seen_count_ = 0;
};

// This thread's scratch memory: at least `size` elements, valid until the next call.
template <class T>
T* scratch_memory(Size size) {
  thread_local std::unique_ptr<T[]> memory;
  thread_local Size available = 0;
  if (size > available) {
    memory.reset();
    available = 0;
    memory.reset(new T[std::size_t(size)]);
    available = size;
  }
  return memory.get();
}

// A new array (count) of row indices or of numbers.
template <class T>
struct NewArray {
  py::array array;
  T* data;
};
template <class T>
NewArray<T> new_array(Size count) {
  py::array_t<T> array(count);
  return {array, array.mutable_data()};
}

}  // namespace handnn
