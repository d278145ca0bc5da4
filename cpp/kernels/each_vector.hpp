// The loop over an array, vector by vector.
#pragma once

#include "simd.hpp"

namespace handnn {
namespace {

// Calls f once for every vector of n elements, the last one partial. f gets `at`: at.load(p) is p's
// part of this vector, at.store(p, v) writes it.
template <class T>
struct WholeVector {
  Size i;
  Vector<T> load(const T* p) const { return handnn::load(p + i); }
  void store(T* p, Vector<T> v) const { handnn::store(p + i, v); }
};
template <class T>
struct PartialVector {
  Size i;
  First<T> first;
  Vector<T> load(const T* p) const { return handnn::load(p + i, first); }
  void store(T* p, Vector<T> v) const { handnn::store(p + i, v, first); }
};
template <class T, class F>
inline void for_each_vector(Size n, F f) {
  Size i = 0;
  for (; i + lanes<T> <= n; i += lanes<T>) f(WholeVector<T>{i});
  if (i < n) f(PartialVector<T>{i, First<T>(n - i)});
}

}  // namespace
}  // namespace handnn
