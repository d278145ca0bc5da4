// The part of a TrainingProgram that works on a batch in blocks of rows.
#include <algorithm>

#include "engine/program.hpp"

namespace handnn {

namespace {

// The size in bytes of the arrays of a block. Each block reads and writes all gradients. That pays
// off if params are small, or if the arrays of the batch are large in comparison. Measured.
constexpr double block_bytes = 1 << 20, small_params = 1 << 18, large_arrays = 10;

// Blocks of fewer rows take longer for a row.
constexpr Size least_block_rows = 32, least_block_rows_of_large_params = 64;

}  // namespace

// Returns 0 if blocks do not pay off, or if a brick other than affine sums over rows.
template <class T>
Size TrainingProgram<T>::choose_block_rows() const {
  double row = sizeof(T) * double(inputs()), params = 0;
  for (const Brick<T>& brick : bricks_) {
    if (is_sharded() || (brick.kind != Kind::affine && brick.learns())) return 0;
    row += 2 * sizeof(T) * double(brick.O);
    params += sizeof(T) * double(brick.w.size);
  }
  const bool is_small = params <= small_params;
  if (!is_small && row * double(most_rows_) < large_arrays * params) return 0;
  // A multiple of partial_sums, as the sums of a loss require.
  const Size least = is_small ? least_block_rows : least_block_rows_of_large_params;
  const Size each = std::max(least, Size(block_bytes / row) / partial_sums * partial_sums);
  const Size rows = each * threads_;
  return 2 * rows <= most_rows_ ? rows : 0;
}

// Computes all outputs and stores all gradients.
template <class T>
void TrainingProgram<T>::run_blocks(const Rows<T>& batch, int parts) {
  T *const last = out_.back(), *const outputs = outputs_;
  for (Size first = 0; first < batch.count; first += block_rows_) {
    const Size N = std::min(block_rows_, batch.count - first);
    const T* weight = batch.weight ? batch.weight + first : nullptr;
    x_ = batch.x + first * inputs();
    if (keeps_last()) out_.back() = last + first * columns();
    if (outputs) outputs_ = outputs + first * columns();
    first_row_ = first;
    forward_and_backward({x_, batch.y_true + first * targets(), weight, N}, parts);
    for_each_learning(parts, [&](std::size_t i, int part) { learn(i, N, part, parts, first > 0); });
  }
  out_.back() = last;
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
