// What a softmax needs of a row x (O): m, its largest entry, and S = sum_o exp(x_o - m).
//
// S is summed in T: term o goes to partial sum o mod 16, as in sums.hpp.
#pragma once

#include "exp.hpp"
#include "sums.hpp"

namespace handnn {
namespace {

// Of a row: the largest entry, and the sum of exp(x - largest).
template <class T>
struct ExpSum {
  T largest, sum;
};

// x (O) -> their largest and sum. e (O) = exp(x - largest) unless it is not kept: then e (16) is
// what to work in.
template <class T>
ExpSum<T> exp_sum_naive(T* e, bool keeps, const T* x, Size O) {
  T largest = x[0];
  for (Size o = 1; o < O; ++o) largest = x[o] > largest ? x[o] : largest;
  T sums[partial_sums] = {};
  for (Size o = 0; o < O; ++o) {
    const T term = exp(x[o] - largest);
    sums[o % partial_sums] += term;
    if (keeps) e[o] = term;
  }
  return {largest, add_pairwise(sums)};
}
template <class T>
ExpSum<T> exp_sum(T* e, bool keeps, const T* x, Size O) {
  T largest = x[0];
  if (O < lanes<T>) {
    for (Size o = 1; o < O; ++o) largest = x[o] > largest ? x[o] : largest;
  } else {
    // The last vector overlaps the one before it, which does not change a maximum.
    Vector<T> most = load(x + O - lanes<T>);
    for (Size o = 0; o + lanes<T> < O; o += lanes<T>) most = at_least(load(x + o), most);
    largest = most[0];
    for (int i = 1; i < lanes<T>; ++i) largest = most[i] > largest ? most[i] : largest;
  }
  T sums[partial_sums] = {};
  for (Size first = 0; first < O; first += partial_sums) {
    const Size count = O - first < partial_sums ? O - first : partial_sums;
    for_each_vector<T>(count, [&](auto at) {
      const Vector<T> terms = exp(at.load(x + first) - splat(largest));
      at.store(keeps ? e + first : e, terms);
      at.store(sums, at.load(sums) + terms);
    });
  }
  return {largest, add_pairwise(sums)};
}

}  // namespace
}  // namespace handnn
