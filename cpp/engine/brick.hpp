// The bricks of a program as a flat list.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/table.hpp"

namespace handnn {

// A trainable array, the optimizer's states for it (null if unused), its factor of the learning
// rate and its weight decay.
template <class T>
struct Param {
  T* value = nullptr;
  Size size = 0;
  T* states[2] = {};
  double lr_scale = 1, weight_decay = 0;
};

// The largest depth of nested residual blocks.
constexpr int max_nested = 32;

// A residual block is a fork, the bricks of the block, and an add.
enum class Kind {
  affine,
  binned_affine,
  activation,
  softmax,
  layer_norm,
  batch_norm,
  dropout,
  embedding,
  fork,
  add
};

// A brick takes I columns, returns O, and has up to two params:
//
//   affine                   w (I, O), b (O)
//   binned_affine            w (R, O), b (O): see Bins
//   layer_norm, batch_norm   w is gamma (O), b is beta (O); batch_norm's running statistics (O)
//   embedding                w (codes, D), O = I - 1 + D
//
// All others have I = O.
template <class T>
struct Brick {
  Kind kind = Kind::activation;
  Size I = 0, O = 0;
  Param<T> w, b;
  int activation = 0;  // index in the table of activations
  T setting = 0;       // that of an activation; eps of a norm
  T *running_mean = nullptr, *running_var = nullptr;
  T momentum = 0;                          // batch_norm only
  double p = 0;                            // dropout only
  std::uint64_t seed = 0, first_step = 0;  // dropout only
  Size codes = 0, column = 0;              // embedding only
  std::size_t fork = 0;                    // add only: the index of its fork
  std::vector<Size> bins = {};             // binned_affine only: (I)

  bool learns() const { return w.value; }
  bool is_relu() const { return kind == Kind::activation && activation == int(Activation::relu); }
  NormParams<T> norm_params() const { return {w.value, b.value, setting}; }
  bool is_affine() const { return kind == Kind::affine || kind == Kind::binned_affine; }
  Size vector_size() const { return O - I + 1; }        // embedding only: D
  Bins bin_counts() const { return {bins.data(), I}; }  // binned_affine only

  // Whether its backward may overwrite dout.
  bool works_in_place() const {
    return !is_affine() && kind != Kind::layer_norm && kind != Kind::embedding;
  }
  // The approximate cost of a row in training, in multiply-adds.
  double work() const {
    switch (kind) {
      case Kind::affine:
        return 3.0 * double(I) * double(O);
      case Kind::binned_affine:
        return 6.0 * double(I) * double(O);
      case Kind::activation:
        return activation_facts[activation].cost * double(O);
      case Kind::softmax:
        return 8.0 * double(O);
      case Kind::layer_norm:
      case Kind::batch_norm:
        return 6.0 * double(O);
      default:
        return 2.0 * double(O);
    }
  }
};

}  // namespace handnn
