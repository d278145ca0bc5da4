// The bricks of a network, as Python passes them.
#pragma once

#include <optional>
#include <vector>

#include "arrays.hpp"
#include "engine/checked.hpp"

namespace handnn {

// Each brick is a tuple (kind, settings, arrays, updates):
//
//   kind      "affine", "layer_norm", ..., or the name of an activation
//   settings  a dict of numbers by name: "eps", "momentum", "p", "seed", "step", "column", and
//             "setting" of an activation; and "bins" of a binned_affine, a sequence of them
//   arrays    a dict of its params and running statistics by name
//   updates   how each param is updated, {} for prediction: {"w": (states, lr_scale, weight_decay),
//             ...}, states a list of arrays or None
//
// A residual block is passed as ("fork", {}, {}, {}), its bricks, and ("add", {}, {}, {}).
template <class T>
class Bricks {
 public:
  Bricks(const char* function, const py::list& described);

  // Raises ValueError unless x is (N, I) with the I columns that the bricks take.
  void require_width(const Gate& gate, const Array& x) const;

  // Raises ValueError if out overlaps an array of a brick.
  void require_apart(const Gate& gate, const Array& out) const;

  // Raises ValueError, with row and column, if an embedding would read an invalid code from x.
  void check_codes(const Gate& gate, const Array& x) const;

  // Whether all arrays still have the memory, dtype and shape that they had when they were read.
  bool is_unchanged() const;

  // The bricks in the form that the engine runs.
  const CheckedBricks<T>& checked() const { return *checked_; }

 private:
  void add(const std::string& kind, const py::dict& settings, const py::dict& arrays,
           const py::dict& updates);
  void take_affine(Gate& gate, Brick<T>& brick, const py::dict& arrays, const py::dict& updates);
  void take_binned_affine(Gate& gate, Brick<T>& brick, const py::dict& settings,
                          const py::dict& arrays, const py::dict& updates);
  void take_norm(Gate& gate, Brick<T>& brick, const py::dict& arrays, const py::dict& updates);
  Array held(Gate& gate, const char* name, const py::object& given);
  Array taken(Gate& gate, Param<T>& param, const char* name, const py::dict& arrays,
              const py::dict& updates);
  [[noreturn]] void bad(const std::string& what) const;

  const char* function_;
  std::vector<Array> arrays_;
  Locked locked_;
  std::vector<Brick<T>> added_;
  std::optional<CheckedBricks<T>> checked_;
};

extern template class Bricks<float>;
extern template class Bricks<double>;

}  // namespace handnn
