// AdaGrad: smaller steps for entries with large past gradients
//
//   square = square + g^2
//   param = param - lr g / (sqrt(square) + eps)
//
// (Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic
// Optimization", JMLR 12, 2011, section 1.)
#pragma once

#include "update.hpp"

namespace handnn {
namespace {

struct AdaGrad {
  static constexpr Keeps keeps[2] = {Keeps::always, Keeps::never};
  static constexpr bool is_common = false;
  template <class V>
  static void step(V& param, V& square, V&, V g, const Rates<V>& rates) {
    square = fma(g, g, square);
    param = fma(-rates.lr, g / (square_root(square) + rates.eps), param);
  }
};

}  // namespace
}  // namespace handnn
