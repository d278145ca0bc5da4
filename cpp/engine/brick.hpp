// The bricks of a program: flat, so that a loop can run them.
#pragma once

#include <cstdint>

#include "kernels/table.hpp"

namespace handnn {

// An array that is learnt, the states that the optimizer keeps for it, each of them or null, and
// what it is learnt with: a factor of the learning rate, and its weight decay.
template <class T>
struct Param {
  T* value = nullptr;
  Size size = 0;
  T* states[2] = {};
  double lr_scale = 1, weight_decay = 0;
};

// So many blocks may lie in one another.
constexpr int most_nested = 32;

// A residual block is a fork, what is in the block, and an add.
enum class Kind {
  affine,
  activation,
  softmax,
  layer_norm,
  batch_norm,
  dropout,
  embedding,
  fork,
  add
};

// A brick takes I columns and gives O, and learns none, one or two arrays:
//
//   affine                   w (I, O), b (O)
//   layer_norm, batch_norm   w is gamma (O), b is beta (O); batch_norm's running statistics (O)
//   embedding                w (codes, D), O = I - 1 + D
//
// All others have I = O.
template <class T>
struct Brick {
  Kind kind = Kind::activation;
  Size I = 0, O = 0;
  Param<T> w, b;
  int activation = 0;  // its number in the table
  T setting = 0;       // that of the activation; eps of the norms
  T *running_mean = nullptr, *running_var = nullptr;
  T momentum = 0;                          // of these
  double p = 0;                            // of dropout
  std::uint64_t seed = 0, first_step = 0;  // of dropout: what was drawn before is not again
  Size codes = 0, column = 0;              // of embedding
  std::size_t fork = 0;                    // of add: where its block begins

  bool learns() const { return w.value; }
  Size vector_size() const { return O - I + 1; }  // D of an embedding

  // Whether it changes entries where they lie on the way back, and needs its dout no more.
  bool works_in_place() const {
    return kind != Kind::affine && kind != Kind::layer_norm && kind != Kind::embedding;
  }
  // About how many multiply-adds a row is worth in training.
  double work() const {
    switch (kind) {
      case Kind::affine:
        return 3.0 * double(I) * double(O);
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
