// Random programs: those that CheckedBricks accepts run within the bounds of their arrays, as
// AddressSanitizer checks; the others are rejected with std::invalid_argument.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/pool.hpp"
#include "engine/predict.hpp"
#include "run.hpp"
#include "training.hpp"

namespace handnn {
namespace {

constexpr int default_programs = 3000;

template <class T>
Brick<T> brick_of(Kind kind, Size I = 0, Size O = 0) {
  Brick<T> brick;
  brick.kind = kind;
  brick.I = I;
  brick.O = O;
  return brick;
}

// A network drawn from `seed`. Each array is an allocation of its own, of exactly its size.
template <class T>
class RandomNetwork {
 public:
  explicit RandomNetwork(std::uint64_t seed) : random_(seed) {
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
    for (Size i = 0; i < size; ++i) {
      drawn[std::size_t(i)] = below(50) ? T(below(4)) / 2 : odd[below(5)];
    }
    return drawn;
  }

  Size below(Size bound) { return Size(random_.below(std::uint64_t(bound))); }

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
    const Kind kinds[] = {Kind::affine,     Kind::affine,  Kind::affine,  Kind::activation,
                          Kind::activation, Kind::softmax, Kind::dropout, Kind::layer_norm,
                          Kind::batch_norm, Kind::fork,    Kind::add,     Kind::embedding};
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

  SplitMix64 random_;
  std::vector<std::unique_ptr<T[]>> arrays_;
  int depth_ = 0;
};

template <class T>
void run_network(RandomNetwork<T>& network, const CheckedBricks<T>& bricks) {
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
  train<T>(
      program, {x.get(), y.get(), nullptr, N}, {batch_size, N, 7, false}, {2, 0}, nullptr,
      [] { return false; }, out.get());
}

template <class T>
void fuzz(int count, std::uint64_t first_seed) {
  int accepted = 0, with_codes = 0;
  for (int i = 0; i < count; ++i) {
    RandomNetwork<T> network(first_seed + std::uint64_t(i));
    try {
      const CheckedBricks<T> bricks(network.bricks);
      ++accepted;
      with_codes += !bricks.code_columns().empty();
      run_network(network, bricks);
    } catch (const std::invalid_argument&) {
      // Rejected.
    }
  }
  std::printf("%s: %d programs, %d accepted, %d of them with embeddings\n",
              sizeof(T) == 4 ? "float32" : "float64", count, accepted, with_codes);
  check(accepted > count / 5 && accepted < count, "some programs are accepted, some refused");
  check(with_codes > count / 100, "some accepted programs have embeddings");
}

// Embeddings whose code columns are known.
void check_code_columns() {
  using Columns = std::vector<Size>;
  float w[8] = {}, b[8] = {};
  const auto param = [](float* value, Size size) {
    Param<float> made;
    made.value = value;
    made.size = size;
    return made;
  };
  const auto columns_of = [&](const Columns& columns, Size n_inputs) {
    std::vector<Brick<float>> bricks;
    for (const Size column : columns) {
      Brick<float> brick = brick_of<float>(Kind::embedding, 0, 2);
      brick.w = param(w, 4);
      brick.codes = 2;
      brick.column = column;
      bricks.push_back(brick);
    }
    const Size width = n_inputs + Size(columns.size());
    Brick<float> affine = brick_of<float>(Kind::affine, width, 1);
    affine.w = param(w, width);
    affine.b = param(b, 1);
    bricks.push_back(affine);
    Columns found;
    try {
      const CheckedBricks<float> checked(bricks);
      for (const CodeColumn& read : checked.code_columns()) {
        found.push_back(read.column);
      }
    } catch (const std::invalid_argument&) {
      return Columns{-1};
    }
    return found;
  };
  check(columns_of({0}, 1) == Columns{0}, "one column");
  check(columns_of({1, 1, 0}, 4) == Columns{1, 2, 0}, "columns after those taken");
  check(columns_of({0, 1, 0}, 4) == Columns{0, 2, 1}, "columns between those taken");
  check(columns_of({2, 0, 0}, 3) == Columns{2, 0, 1}, "all columns");
  check(columns_of({0, 1}, 1) == Columns{-1}, "the vector of the embedding before");
  check(columns_of({0, 0, 2}, 3) == Columns{-1}, "the vector of an earlier embedding");
  check(columns_of({3}, 3) == Columns{-1}, "no such column");
}

}  // namespace
}  // namespace handnn

// Arguments: the number of programs of each dtype, and the first seed.
int run(const char*, int argc, char** argv) {
  using namespace handnn;
  check_code_columns();
  const int count = argc > 1 ? std::atoi(argv[1]) : default_programs;
  const std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  set_num_threads(3);
  fuzz<float>(count, seed);
  fuzz<double>(count, seed);
  return !good;
}
