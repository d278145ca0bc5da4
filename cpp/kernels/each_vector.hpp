// The loop over an array, vector by vector, and a hint for arrays that are read in order.
#pragma once

#include "simd.hpp"

namespace handnn {
namespace {

// Calls f(at) for each vector of the elements, the last one partial. at.load(p) loads the elements
// of p that belong to this vector, at.store(p, v) stores them.
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
// For the elements first ... last - 1, or the first n.
template <class T, class F>
inline void for_each_vector(Size first, Size last, F f) {
  Size i = first;
  for (; i + lanes<T> <= last; i += lanes<T>) f(WholeVector<T>{i});
  if (i < last) f(PartialVector<T>{i, First<T>(last - i)});
}
template <class T, class F>
inline void for_each_vector(Size n, F f) {
  for_each_vector<T>(0, n, f);
}

// Calls f(width, at) for the first n elements: at(v) is vector v of `width`, V or, at the end, 1.
template <int V, class T, class F>
inline void for_each_vectors(Size n, F f) {
  constexpr Size L = lanes<T>;
  Size i = 0;
  for (; i + V * L <= n; i += V * L) {
    f(std::integral_constant<int, V>{}, [&](int v) { return WholeVector<T>{i + v * L}; });
  }
  for_each_vector<T>(
      i, n, [&](auto at) { f(std::integral_constant<int, 1>{}, [&](int) { return at; }); });
}

// Calls f(width, at) for the first n elements, at least a vector, as above, with a width of 1 or,
// if `in_pairs`, 2. All vectors are whole: where n is not a multiple of a vector, the last two
// overlap. They come in one call, of width 2, which has to load both before it stores one. For rows
// of a matrix: a masked load or store that overlaps a store of the row before waits for it.
template <bool in_pairs, class T, class F>
inline void for_each_whole_vector(Size n, F f) {
  constexpr Size L = lanes<T>;
  const Size count = (n + L - 1) / L;
  const Size alone = in_pairs ? count % 2 : n % L ? count - 2 : count;
  Size i = 0;
  for (; i < alone * L; i += L) {
    f(std::integral_constant<int, 1>{}, [&](int) { return WholeVector<T>{i}; });
  }
  for (; i < n; i += 2 * L) {
    const Size second = i + 2 * L <= n ? i + L : n - L;
    f(std::integral_constant<int, 2>{}, [&](int v) { return WholeVector<T>{v ? second : i}; });
  }
}

// Starts to load the cache line of p, which may lie beyond the end of its array, into the L2 cache:
// it has more loads under way than the L1 cache. A long array in memory is then read up to three
// times as fast.
inline void prefetch(const void* p) { __builtin_prefetch(p, 0, 2); }

}  // namespace
}  // namespace handnn
