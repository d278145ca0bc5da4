// Sums of many terms, in double for both dtypes and in an order that does not depend on the
// machine: term i goes to partial sum i mod 16, each in ascending i, and the 16 are added pairwise
// at the end. 16 partial sums keep the registers of every instruction set busy.
#pragma once

#include "each_vector.hpp"
#include "losses/options.hpp"

namespace handnn {
namespace {

template <int count = partial_sums, class T>
inline T add_pairwise(T* sums) {
  for (int half = count / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) sums[i] += sums[i + half];
  }
  return sums[0];
}

// The sum of n terms in partial sums, which are 0 afterwards. Few terms are added one by one: the
// load of a vector waits for the stores of its elements.
inline double take_sum(double* sums, Size n) {
  const double sum = n <= 4 ? (sums[0] + sums[2]) + (sums[1] + sums[3]) : add_pairwise(sums);
  for_each_vector<double>(partial_sums, [&](auto at) { at.store(sums, Doubles{}); });
  return sum;
}

// The sum of term(load) over n entries, where load(p) is a vector of p's; each times the weight of
// its row of `columns` entries, unless weight is null.
template <class T, class F>
double sum_of_terms(const T* weight, Size n, Size columns, F term) {
  double sums[partial_sums] = {};
  for (Size first = 0; first < n; first += partial_sums) {
    const Size count = n - first < partial_sums ? n - first : partial_sums;
    T terms[partial_sums];
    for_each_vector<T>(count, [&](auto at) {
      at.store(terms, term([&](const T* p) { return at.load(p + first); }));
    });
    for (Size s = 0; s < count; ++s) {
      const double value = double(terms[s]);
      sums[s] += weight ? double(weight[(first + s) / columns]) * value : value;
    }
  }
  return add_pairwise(sums);
}
// The same for a term(i) of a single entry.
template <class T, class F>
double sum_of_terms_naive(const T* weight, Size n, Size columns, F term) {
  double sums[partial_sums] = {};
  for (Size i = 0; i < n; ++i) {
    const double value = double(term(i));
    sums[i % partial_sums] += weight ? double(weight[i / columns]) * value : value;
  }
  return add_pairwise(sums);
}

// Adds the squares of n entries to the partial sums: entry(i) is one of them, lanes_from(i) are the
// DoubleLanes from it on. Each is called once for every entry, in ascending order.
template <class Lanes, class Entry>
inline void add_squares(double* sums, Size n, Lanes lanes_from, Entry entry) {
  constexpr int L = lanes<double>, vectors = partial_sums / L;
  Size i = 0;
  if (n >= partial_sums) {
    Doubles sum[vectors];
    for (int v = 0; v < vectors; ++v) sum[v] = load(sums + v * L);
    for (; i + partial_sums <= n; i += partial_sums) {
      HANDNN_UNROLL
      for (int v = 0; v < vectors; ++v) {
        const Doubles value = to_double(lanes_from(i + v * L));
        sum[v] += value * value;
      }
    }
    for (int v = 0; v < vectors; ++v) store(sums + v * L, sum[v]);
  }
  for (int s = 0; i + s < n; ++s) {
    const double value = double(entry(i + s));
    sums[s] += value * value;
  }
}
template <class Lanes, class Entry>
inline double sum_of_squares_of(Size n, Lanes lanes_from, Entry entry) {
  double sums[partial_sums] = {};
  add_squares(sums, n, lanes_from, entry);
  return add_pairwise(sums);
}

// x (n) -> the sum of its squares.
template <class T>
double sum_of_squares_naive(const T* x, Size n) {
  double sums[partial_sums] = {};
  for (Size i = 0; i < n; ++i) sums[i % partial_sums] += double(x[i]) * double(x[i]);
  return add_pairwise(sums);
}
template <class T>
double sum_of_squares(const T* x, Size n) {
  return sum_of_squares_of(
      n, [x](Size i) { return load_double_lanes(x + i); }, [x](Size i) { return x[i]; });
}

}  // namespace
}  // namespace handnn
