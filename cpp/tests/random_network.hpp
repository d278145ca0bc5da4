// Random programs, for the tests that draw them from a seed (engine_fuzz) or from the input of
// libFuzzer (engine_libfuzzer).
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <set>
#include <vector>

#include "engine/checked.hpp"
#include "engine/predict.hpp"
#include "training.hpp"

namespace handnn {
namespace {

template <class T>
Brick<T> brick_of(Kind kind, Size I = 0, Size O = 0) {
  Brick<T> brick;
  brick.kind = kind;
  brick.I = I;
  brick.O = O;
  return brick;
}

// A network that `choices` draws: below(n) returns a number from 0 to n - 1, and the last one is
// the ordinary choice. Each array is an allocation of its own, of exactly its size.
template <class T, class Choices>
class RandomNetwork {
 public:
  explicit RandomNetwork(Choices choices) : choices_(choices) {
    Size width = 1 + below(6);
    const Size n_embeddings = below(3) ? 0 : below(4);
    for (Size i = 0; i < n_embeddings; ++i) add_embedding(width);
    const Size count = 1 + below(8);
    for (Size i = 0; i < count; ++i) add_any(width);
  }

  std::vector<Brick<T>> bricks;

  // `size` numbers, including some that are not finite or not codes.
  std::unique_ptr<T[]> values(Size size) {
    std::unique_ptr<T[]> drawn(new T[std::size_t(size)]);
    constexpr T odd[] = {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity(),
                         T(-1), T(1e30), T(0.5)};
    SplitMix64 random{std::uint64_t(below(256))};
    for (Size i = 0; i < size; ++i) {
      drawn[std::size_t(i)] = random.below(50) ? T(random.below(4)) / 2 : odd[random.below(5)];
    }
    return drawn;
  }

  Size below(Size bound) { return Size(choices_.below(std::uint64_t(bound))); }

 private:
  // The given number, or occasionally a wrong one.
  Size nearly(Size right) { return below(60) ? right : right + below(5) - 2; }

  Param<T> param(Size size) {
    if (size < 0 || !below(200)) return {};
    const auto array = [&] {
      arrays_.push_back(values(size));
      return arrays_.back().get();
    };
    return {array(), size, {array(), array()}, 1, 0};
  }

  void add_embedding(Size& width) {
    Brick<T> brick = brick_of<T>(Kind::embedding, 0, nearly(below(4)));
    brick.codes = 1 + below(3);
    brick.column = below(4) ? below(width) : below(width + 3) - 1;
    brick.w = param(brick.codes * brick.O);
    width += brick.O - 1;
    if (width < 1) width = 1;
    bricks.push_back(brick);
  }

  void add_any(Size& width) {
    const Kind kinds[] = {Kind::affine,       Kind::affine,  Kind::affine,  Kind::activation,
                          Kind::activation,   Kind::softmax, Kind::dropout, Kind::layer_norm,
                          Kind::batch_norm,   Kind::fork,    Kind::add,     Kind::embedding,
                          Kind::binned_affine};
    Brick<T> brick;
    brick.kind = kinds[below(std::size(kinds))];
    switch (brick.kind) {
      case Kind::affine:
        brick.I = nearly(width);
        width = 1 + below(6);
        brick.O = width;
        brick.w = param(nearly(brick.I * brick.O));
        brick.b = param(nearly(brick.O));
        break;
      case Kind::binned_affine: {
        const bool is_first = std::all_of(bricks.begin(), bricks.end(), [](const Brick<T>& before) {
          return before.kind == Kind::embedding;
        });
        if (!is_first && below(8)) return;
        brick.I = nearly(width);
        Size rows = 0;
        for (Size i = 0; i < brick.I; ++i) {
          brick.bins.push_back(below(2) ? 0 : nearly(1 + below(4)));
          rows += std::max(brick.bins.back(), Size(1));
        }
        width = 1 + below(6);
        brick.O = width;
        brick.w = param(nearly(rows * brick.O));
        brick.b = param(nearly(brick.O));
        break;
      }
      case Kind::layer_norm:
      case Kind::batch_norm:
        brick.I = brick.O = nearly(width);
        brick.w = param(nearly(width));
        brick.b = param(nearly(width));
        brick.running_mean = param(brick.O).value;
        brick.running_var = param(brick.O).value;
        brick.setting = T(1e-5);
        brick.momentum = T(0.1);
        break;
      case Kind::activation:
        brick.activation = int(below(activation_count + (below(60) ? 0 : 2)));
        brick.setting = T(0.5);
        break;
      case Kind::dropout:
        brick.p = below(60) ? 0.5 : 1.5;
        break;
      case Kind::embedding:
        if (below(8)) return;
        return add_embedding(width);
      case Kind::fork:
        return add_block(width);
      default:
        break;
    }
    if (brick.kind == Kind::add && below(20)) return;  // occasionally an add without a fork
    bricks.push_back(brick);
  }

  // A residual block, which ends with as many columns as it began with, or nearly.
  void add_block(Size width) {
    if (depth_ > 3) return;
    ++depth_;
    bricks.push_back(brick_of<T>(Kind::fork));
    const Size before = width, count = below(4);
    for (Size i = 0; i < count; ++i) add_any(width);
    if (width != before && below(20)) {
      Brick<T> back = brick_of<T>(Kind::affine, width, before);
      back.w = param(width * before);
      back.b = param(before);
      bricks.push_back(back);
    }
    if (below(40)) bricks.push_back(brick_of<T>(Kind::add));
    --depth_;
  }

  Choices choices_;
  std::vector<std::unique_ptr<T[]>> arrays_;
  int depth_ = 0;
};

// Whether each brick takes the columns that the one before it returns, and w has the size that
// these imply, in arithmetic that cannot overflow.
template <class T>
bool fits(const CheckedBricks<T>& bricks) {
  __extension__ using Wide = __int128;
  Size width = bricks.inputs();
  std::vector<Size> forks;
  for (const Brick<T>& brick : bricks) {
    const bool embeds = brick.kind == Kind::embedding, is_affine = brick.is_affine();
    if (brick.I != width || brick.I < 1 || brick.O < 1) return false;
    Wide rows = embeds ? brick.codes : brick.kind == Kind::affine ? brick.I : 1;
    if (brick.kind == Kind::binned_affine) {
      rows = 0;
      for (const Size count : brick.bins)
        rows += count < 0 ? Wide(-1) << 64 : std::max(count, Size(1));
    }
    const Size columns = embeds ? brick.vector_size() : brick.O;
    const bool is_norm = brick.kind == Kind::layer_norm || brick.kind == Kind::batch_norm;
    if ((embeds || is_affine || is_norm) && rows * columns != brick.w.size) return false;
    if (brick.kind == Kind::fork) forks.push_back(width);
    if (brick.kind == Kind::add) {
      if (forks.empty() || forks.back() != width) return false;
      forks.pop_back();
    }
    width = brick.O;
  }
  std::set<Size> taken;
  for (const CodeColumn& read : bricks.code_columns()) {
    if (read.column < 0 || read.column >= bricks.inputs()) return false;
    if (!taken.insert(read.column).second) return false;
  }
  return forks.empty() && width == bricks.outputs();
}

// Predicts and trains with a network. `bricks` are those of the network, accepted.
template <class T, class Choices>
void run_network(RandomNetwork<T, Choices>& network, const CheckedBricks<T>& bricks) {
  const Size N = 1 + network.below(20), O = bricks.outputs();
  const auto x = network.values(N * bricks.inputs());
  // Codes that are rows of w, in half of all networks.
  if (network.below(2)) {
    for (const CodeColumn& read : bricks.code_columns()) {
      for (Size n = 0; n < N; ++n) {
        x[std::size_t(n * bricks.inputs() + read.column)] = T(network.below(read.codes));
      }
    }
  }
  const Kernels<T>& kernels = active_kernels<T>();
  const std::unique_ptr<T[]> scratch(new T[std::size_t(predict_scratch(kernels, bricks))]);
  const std::unique_ptr<T[]> out(new T[std::size_t(N * O)]);
  predict(kernels, bricks, out.get(), x.get(), scratch.get(), N);

  const bool learns = std::any_of(bricks.begin(), bricks.end(), [](auto& b) { return b.learns(); });
  if (!learns) return;
  const Size batch_size = 1 + network.below(N + 2);
  LossSettings<T> loss = Training<T>::mse_loss();
  loss.options.columns = O;
  const double clip_norm = network.below(2) ? 1.0 : std::numeric_limits<double>::infinity();
  TrainingProgram<T> program(kernels, bricks, loss, nesterov(), clip_norm, std::min(batch_size, N),
                             int(1 + network.below(3)));
  const auto y = network.values(N * O);
  // Small networks take steps of their own only if no outputs are asked for.
  T* const outputs = network.below(2) ? out.get() : nullptr;
  train<T>(
      program, {x.get(), y.get(), nullptr, N}, {batch_size, N, 7, false}, {2, 0}, nullptr,
      [] { return false; }, outputs);
}

}  // namespace
}  // namespace handnn
