// ReLU: out = 0 where x < 0, and x elsewhere
//
// The slope at exactly 0 is 1, and NaN passes through, because neither is < 0.
#pragma once

#include "../elementwise.hpp"

namespace handnn {
namespace {

struct ReLU {
  template <class V>
  static V forward(V x, V) {
    return x < constant<V>(0) ? constant<V>(0) : x;
  }

  template <class V>
  static V backward(V dout, V x, V) {
    return x < constant<V>(0) ? constant<V>(0) : dout;
  }
};

}  // namespace
}  // namespace handnn
