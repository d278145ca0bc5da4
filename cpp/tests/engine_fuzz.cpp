// Random programs: those that CheckedBricks accepts run within the bounds of their arrays, as
// AddressSanitizer checks; the others are rejected with std::invalid_argument.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/pool.hpp"
#include "random_network.hpp"
#include "run.hpp"

namespace handnn {
namespace {

constexpr int default_programs = 3000;

template <class T>
void fuzz(int count, std::uint64_t first_seed) {
  int accepted = 0, with_codes = 0;
  for (int i = 0; i < count; ++i) {
    RandomNetwork<T, SplitMix64> network(SplitMix64(first_seed + std::uint64_t(i)));
    try {
      const CheckedBricks<T> bricks(network.bricks);
      ++accepted;
      with_codes += !bricks.code_columns().empty();
      check(fits(bricks), "the bricks of an accepted program fit");
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
