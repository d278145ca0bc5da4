// The part of a TrainingProgram that works on a batch in blocks of rows.
#include <algorithm>

#include "engine/program.hpp"

namespace handnn {

namespace {

// The size in bytes of the arrays of a block, and the largest size of params for which blocks pay
// off: together with the gradients, which each block reads and writes, they fit into a cache of 1
// MiB.
constexpr double block_bytes = 384 * 1024, most_param_bytes = 256 * 1024;
constexpr Size least_block_rows = 32;

}  // namespace

// Returns 0 if blocks do not pay off, or if a brick other than affine sums over rows.
template <class T>
Size TrainingProgram<T>::choose_block_rows() const {
  double row = 0, params = 0;
  for (const Brick<T>& brick : bricks_) {
    if (is_sharded() || (brick.kind != Kind::affine && brick.learns())) return 0;
    row += 2 * sizeof(T) * double(brick.O);
    params += sizeof(T) * double(brick.w.size);
  }
  // A multiple of partial_sums, as the sums of a loss require.
  const Size each =
      std::max(least_block_rows, Size(block_bytes / row) / partial_sums * partial_sums);
  const Size rows = each * threads_;
  return params <= most_param_bytes && 2 * rows <= most_rows_ ? rows : 0;
}

// Computes all outputs and stores all gradients.
template <class T>
void TrainingProgram<T>::run_blocks(const Rows<T>& batch, int parts) {
  T* const outputs = out_.back();
  for (Size first = 0; first < batch.count; first += block_rows_) {
    const Size N = std::min(block_rows_, batch.count - first);
    const T* weight = batch.weight ? batch.weight + first : nullptr;
    x_ = batch.x + first * inputs();
    out_.back() = outputs + first * columns();
    first_row_ = first;
    forward_and_backward({x_, batch.y_true + first * targets(), weight, N}, parts);
    for_each_learning(parts, [&](std::size_t i, int part) { learn(i, N, part, parts, first > 0); });
  }
  out_.back() = outputs;
  first_row_ = 0;
}

// The rest of TrainingProgram is instantiated in program.cpp.
#define HANDNN_FOR(T)                                          \
  template Size TrainingProgram<T>::choose_block_rows() const; \
  template void TrainingProgram<T>::run_blocks(const Rows<T>&, int);
HANDNN_FOR(float)
HANDNN_FOR(double)
#undef HANDNN_FOR

}  // namespace handnn
