// LeakyReLU: out = slope x where x < 0, and x elsewhere
#pragma once

#include "../elementwise.hpp"

namespace handnn {
namespace {

struct LeakyReLU {
  template <class V>
  static V forward(V x, V slope) {
    return x < constant<V>(0) ? slope * x : x;
  }

  template <class V>
  static V backward(V dout, V x, V slope) {
    return x < constant<V>(0) ? slope * dout : dout;
  }
};

}  // namespace
}  // namespace handnn
