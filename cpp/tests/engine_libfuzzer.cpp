// Programs that libFuzzer chooses: those that CheckedBricks accepts fit, and run within the bounds
// of their arrays. Runs one instruction set's kernels, compiled with sanitizers.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <vector>

#include "engine/pool.hpp"
#include "random_network.hpp"

namespace handnn {
namespace {

// Choices from the bytes of an input, one each. An input that has ended makes ordinary choices.
class Choices {
 public:
  Choices(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}

  std::uint64_t below(std::uint64_t bound) {
    if (!left_) return bound - 1;
    --left_;
    return *data_++ % bound;
  }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};

void require(bool holds, const char* what) {
  check(holds, what);
  std::fflush(stdout);
  if (!good) std::abort();
}

// A size: a small one, or one near the limits of its type and of their square roots.
Size any_size(Choices& choices) {
  constexpr Size largest = std::numeric_limits<Size>::max();
  constexpr Size odd[] = {-largest - 1,  -1,          Size(1) << 31, Size(1) << 32, 3037000500,
                          Size(1) << 62, largest - 1, largest};
  return Size(choices.below(3) ? choices.below(4) : odd[choices.below(8)]);
}

// A brick with any sizes, which no array has: w.size is what their product, if it overflows, wraps
// around to.
template <class T>
Brick<T> any_brick(Choices& choices) {
  static T number[1];
  const Kind kind = Kind(choices.below(std::uint64_t(Kind::add) + 1));
  const Size I = any_size(choices), O = choices.below(2) ? any_size(choices) : I;
  Brick<T> brick = brick_of<T>(kind, I, O);
  brick.codes = any_size(choices);
  brick.column = any_size(choices);
  const Size rows = kind == Kind::embedding ? brick.codes : kind == Kind::affine ? I : 1;
  brick.w.value = brick.b.value = brick.running_mean = brick.running_var = number;
  brick.w.size = Size(std::uint64_t(rows) * std::uint64_t(O));
  brick.b.size = O;
  brick.activation = int(any_size(choices));
  return brick;
}

// Only checks bricks: those with sizes that no array has cannot run.
template <class T>
void check_any(Choices choices) {
  std::vector<Brick<T>> bricks;
  for (std::uint64_t n = choices.below(12); n > 0; --n) bricks.push_back(any_brick<T>(choices));
  require(fits(CheckedBricks<T>(bricks)), "the bricks of any sizes fit");
}

template <class T>
void check_and_run(Choices choices) {
  RandomNetwork<T, Choices> network(choices);
  const CheckedBricks<T> bricks(network.bricks);
  require(fits(bricks), "the bricks of a network fit");
  run_network(network, bricks);
}

}  // namespace
}  // namespace handnn

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  if (!handnn::activate_isa(HANDNN_ISA_NAME)) {
    std::printf("skipped: this CPU does not support %s\n", HANDNN_ISA_NAME);
    std::exit(0);
  }
  handnn::set_num_threads(1);  // it does the parts of all threads
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace handnn;
  constexpr void (*tests[])(Choices) = {check_any<float>, check_any<double>, check_and_run<float>,
                                        check_and_run<double>};
  Choices choices(data, size);
  const auto test = tests[choices.below(std::size(tests))];
  try {
    test(choices);
  } catch (const std::invalid_argument&) {
    // Rejected.
  }
  return 0;
}
