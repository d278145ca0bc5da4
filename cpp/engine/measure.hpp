// The speed of one thread, for benchmarks: of multiply-adds alone and of products. Speeds are per
// second of the thread's CPU time where the system reports it, so that other processes don't count.
#pragma once

#include "kernels/size.hpp"

namespace handnn {

// Operations per second in the best of many short rounds of multiply-adds of T.
template <class T>
double measure_fma_peak(double seconds);

// For x (N, I), w (I, O), dout (N, O):  nn x.w + b,  tn x^T.dout,  nt dout.w^T.
enum class Product { nn, tn, nt };

// Operations per second.
struct Speeds {
  double product, peak;
};

// The best rounds of a product and, alternately, of multiply-adds alone. N, I, O >= 1.
template <class T>
Speeds measure_product(Product product, Size N, Size I, Size O, double seconds);

}  // namespace handnn
