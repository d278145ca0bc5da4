// A small training and checks, shared by the engine's tests.
#pragma once

#include <bit>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/shuffle.hpp"
#include "engine/train.hpp"
#include "kernels/dispatch.hpp"

namespace handnn {
namespace {

bool good = true;

void check(bool holds, const std::string& what) {
  if (holds) return;
  std::printf("FAILED: %s\n", what.c_str());
  good = false;
}

// `size` numbers in [-1, 1), exact in both dtypes.
template <class T>
std::vector<T> numbers(Size size, std::uint64_t seed, T scale = 1) {
  SplitMix64 random(seed);
  std::vector<T> drawn(static_cast<size_t>(size));
  for (T& number : drawn) number = (T(random.next() >> 44) / T(1 << 19) - 1) * scale;
  return drawn;
}

// The number of an activation in the table.
[[maybe_unused]] int activation(const std::string& name) {
  int which = 0;
  while (activation_facts[which].name != name) ++which;
  return which;
}

OptimizerSettings nesterov() {
  OptimizerSettings sgd;
  while (std::string(optimizer_facts[sgd.which].name) != "sgd") ++sgd.which;
  sgd.lr = 0.05;
  sgd.mean_decay = 0.9;
  sgd.nesterov = true;
  return sgd;
}

// A fixed network, 600-40-30-7 with a ReLU and a Sigmoid, and 100 fixed rows. Its steps of 40 rows
// are large enough to be shared among threads; the last step of an epoch, of 20 rows, is not.
template <class T>
class Training {
 public:
  static constexpr Size rows = 100, batch_size = 40;

  Training() {
    const Size sizes[] = {600, 40, 30, 7};
    for (std::uint64_t i = 0; i < 3; ++i) {
      const Size I = sizes[i], O = sizes[i + 1];
      arrays_[4 * i] = numbers<T>(I * O, i, T(0.125));
      arrays_[4 * i + 1] = numbers<T>(O, i + 10);
      arrays_[4 * i + 2].assign(size_t(I * O), 0);
      arrays_[4 * i + 3].assign(size_t(O), 0);
      T* a[4];
      for (std::uint64_t k = 0; k < 4; ++k) a[k] = arrays_[4 * i + k].data();
      Brick<T> affine = {Kind::affine, I, O, {a[0], I * O, {a[2]}, 1, 0.001}, {a[1], O, {a[3]}}};
      bricks.push_back(affine);
      Brick<T> between = {Kind::activation, O, O, {}, {}, activation(i ? "sigmoid" : "relu")};
      if (i < 2) bricks.push_back(between);
    }
  }

  std::vector<EpochResult> train(Size epochs,
                                 double clip_norm = std::numeric_limits<double>::infinity()) {
    TrainingProgram<T> program(active_kernels<T>(), CheckedBricks<T>(bricks), mse_loss(),
                               nesterov(), clip_norm, batch_size);
    const TrainingResult result =
        handnn::train<T>(program, {x.data(), y.data(), weight.data(), rows},
                         {batch_size, rows, 7, false}, {epochs, 0}, nullptr, [] { return false; });
    return result.epochs;
  }

  static LossSettings<T> mse_loss() {
    LossSettings<T> loss;
    while (std::string(loss_facts[loss.which].name) != "mse_loss") ++loss.which;
    loss.options.columns = 7;
    return loss;
  }

  // FNV-1a over the bits of all weights.
  std::uint64_t checksum() const {
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    std::uint64_t sum = 0xcbf29ce484222325;
    for (const Brick<T>& brick : bricks) {
      const Size weights = brick.w.size;
      for (Size i = 0; i < weights + brick.b.size; ++i) {
        sum ^= std::bit_cast<Bits>(i < weights ? brick.w.value[i] : brick.b.value[i - weights]);
        sum *= 0x100000001b3;
      }
    }
    return sum;
  }

  std::vector<Brick<T>> bricks;
  std::vector<T> x = numbers<T>(rows * 600, 20), y = numbers<T>(rows * 7, 21),
                 weight = std::vector<T>(rows, T(0.75));

 private:
  std::vector<T> arrays_[12];
};

}  // namespace
}  // namespace handnn
