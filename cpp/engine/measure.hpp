// How fast one thread is here, for benchmarks: at multiply-adds alone, and at products.
#pragma once

#include "kernels/size.hpp"

namespace handnn {

// The most float32 operations a second, in the best of many short rounds of multiply-adds.
double measure_fma_peak(double seconds);

// For x (N, I), w (I, O), dout (N, O):  nn x.w + b,  tn x^T.dout,  nt dout.w^T.
enum class Product { nn, tn, nt };

// Operations a second.
struct Speeds {
  double product, peak;
};

// The best rounds of a product and of multiply-adds alone, in turns. N, I, O >= 1.
template <class T>
Speeds measure_product(Product product, Size N, Size I, Size O, double seconds);

}  // namespace handnn
