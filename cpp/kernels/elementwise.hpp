// Helpers shared by all activations. An activation works entry by entry and is defined by a
// formula:
//
//   struct Formula {
//     template <class V> static V forward(V x, V setting);               -> out
//     template <class V> static V backward(V dout, V kept, V setting);   -> dx; kept is x or out
//   };
//
// which is a template over vectors and scalars, so that the kernel and its naive twin use the same
// source. `setting` is the brick's only number, such as LeakyReLU's slope; most bricks ignore it.
#pragma once

#include <type_traits>

#include "each_vector.hpp"

namespace handnn {
namespace {

// Base of a formula that is a long chain of dependent operations. A CPU overlaps the chains of as
// many vectors as fit into its reorder window, and a chain of half the length takes half the space.
// Such a formula is therefore split into
//
//     template <class V> static Half<V> first_half(V x);
//     template <class V> static V second_half(V x, Half<V> half);        -> out
//
// and the kernel computes the first half for a group of vectors, then the second. If the formula
// has a number least<T>, smaller entries need its own forward, and so does their group.
template <class Formula>
struct InHalves {
  template <class V>
  static V forward(V x, V) {
    return Formula::second_half(x, Formula::first_half(x));
  }
};

// Computes all whole groups of vectors and returns the number of their entries.
template <class Formula, class T>
Size forward_in_halves(T* out, const T* x, T setting, Size n) {
  constexpr Size L = lanes<T>, group = vector_bytes == 64 ? 8 : 16;
  constexpr bool has_least = requires { Formula::template least<T>; };
  decltype(Formula::first_half(Vector<T>{})) halves[group];
  Size i = 0;
  for (; i + group * L <= n; i += group * L) {
    Vector<T> lowest{};
    for (Size g = 0; g < group; ++g) {
      const Vector<T> x_g = load(x + i + g * L);
      halves[g] = Formula::first_half(x_g);
      if constexpr (has_least) lowest = at_most(lowest, x_g);
    }
    if constexpr (has_least) {
      if (any(lowest < splat(Formula::template least<T>))) {
        HANDNN_ROLL
        for (Size k = i; k < i + group * L; k += L) {
          store(out + k, Formula::forward(load(x + k), splat(setting)));
        }
        continue;
      }
    }
    for (Size g = 0; g < group; ++g) {
      store(out + i + g * L, Formula::second_half(load(x + i + g * L), halves[g]));
    }
  }
  return i;
}

// Base of a formula whose output and slope have most of their computation in common:
//
//     template <class V> static OutAndSlope<V> both(V x, V setting);
//
// A training step keeps the slope from its forward pass; dx is dout * slope.
template <class V>
struct OutAndSlope {
  V out, slope;
};
template <class Formula>
struct WithSlope {
  template <class V>
  static V forward(V x, V setting) {
    return Formula::both(x, setting).out;
  }
  template <class V>
  static V backward(V dout, V x, V setting) {
    return dout * Formula::both(x, setting).slope;
  }
};
template <class Formula>
constexpr bool has_slope = std::is_base_of_v<WithSlope<Formula>, Formula>;

// x (n) -> out (n), slope (n), overwritten; either may be null or x.
template <class Formula, class T>
__attribute__((noinline)) void out_and_slope(T* out, T* slope, const T* x, T setting, Size n) {
  for_each_vector<T>(n, [&](auto at) {
    const OutAndSlope<Vector<T>> both = Formula::both(at.load(x), splat(setting));
    if (out) at.store(out, both.out);
    if (slope) at.store(slope, both.slope);
  });
}

// a (n), b (n) -> out (n), overwritten; out may be a or b.
template <class T>
void multiply(T* out, const T* a, const T* b, Size n) {
  for_each_vector<T>(n, [&](auto at) { at.store(out, at.load(a) * at.load(b)); });
}

// x (n) -> out (n), overwritten; out may be x.
template <class Formula, class T>
void elementwise_forward(T* out, const T* x, T setting, Size n) {
  if constexpr (has_slope<Formula>) return out_and_slope<Formula, T>(out, nullptr, x, setting, n);
  Size done = 0;
  if constexpr (std::is_base_of_v<InHalves<Formula>, Formula>) {
    done = forward_in_halves<Formula>(out, x, setting, n);
  }
  for_each_vector<T>(done, n,
                     [&](auto at) { at.store(out, Formula::forward(at.load(x), splat(setting))); });
}
template <class Formula, class T>
void elementwise_forward_naive(T* out, const T* x, T setting, Size n) {
  for (Size i = 0; i < n; ++i) out[i] = Formula::forward(x[i], setting);
}

// dout (n), kept (n) -> dx (n), overwritten; dx may be dout.
template <class Formula, class T>
void elementwise_backward(T* dx, const T* dout, const T* kept, T setting, Size n) {
  if constexpr (has_slope<Formula>) {
    constexpr Size most = 256;
    T slope[most];
    for (Size i = 0; i < n; i += most) {
      const Size count = n - i < most ? n - i : most;
      out_and_slope<Formula, T>(nullptr, slope, kept + i, setting, count);
      multiply(dx + i, dout + i, slope, count);
    }
    return;
  }
  for_each_vector<T>(n, [&](auto at) {
    at.store(dx, Formula::backward(at.load(dout), at.load(kept), splat(setting)));
  });
}
template <class Formula, class T>
void elementwise_backward_naive(T* dx, const T* dout, const T* kept, T setting, Size n) {
  for (Size i = 0; i < n; ++i) dx[i] = Formula::backward(dout[i], kept[i], setting);
}

}  // namespace
}  // namespace handnn
