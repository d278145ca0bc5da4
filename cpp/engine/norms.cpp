// BatchNorm in a TrainingProgram. It needs all rows of a column, so the threads share its columns.
#include <algorithm>
#include <cstring>

#include "engine/program.hpp"

namespace handnn {

// Computes the output of a batch_norm for N local rows. Returns false if an exchange failed.
template <class T>
bool TrainingProgram<T>::forward_norm(std::size_t i, Size N, int parts) {
  const Brick<T>& brick = bricks_[i];
  T *mean = mean_[i], *var = spread_[i];
  if (is_sharded() && !sum_norm_statistics(i, parts)) return false;
  for_ranges(brick.O, cache_line, parts, [&](int, Range columns) {
    if (!is_sharded()) {
      kernels_.batch_norm_statistics(mean, var, input(i), N, brick.O, columns);
      update_running_statistics(i, columns);
    }
    kernels_.batch_norm_forward(out_[i], input(i), {brick.norm_params(), mean, var, true}, N,
                                brick.O, columns);
  });
  return true;
}

// Computes the gradients of a batch_norm and, unless backward stops here, that of its input.
// Returns false if an exchange failed.
template <class T>
bool TrainingProgram<T>::backward_norm(std::size_t i, Size N, int parts) {
  const Brick<T>& brick = bricks_[i];
  const Size O = brick.O;
  const ColumnNorm<T> norm = {brick.norm_params(), mean_[i], spread_[i], true};
  const bool needs_dx = i != first_learning_;
  if (!is_sharded()) {
    for_ranges(O, cache_line, parts, [&](int, Range columns) {
      kernels_.batch_norm_backward(needs_dx ? dout_[i - 1] : nullptr,
                                   {stored_dw_[i], stored_db_[i]}, dout_[i], input(i), norm, N, O,
                                   columns);
    });
    return true;
  }
  if (!sum_norm_gradients(i, needs_dx, parts)) return false;
  if (!needs_dx) return true;
  T* sums = sharding_.sum ? sharding_.column_total : stored_dw_[i];
  for_ranges(O, cache_line, parts, [&](int, Range columns) {
    kernels_.batch_norm_dx(dout_[i - 1], dout_[i], input(i), norm, {sums, sums + O, batch_rows_}, N,
                           O, columns);
  });
  return true;
}

// Computes mean and var of the whole batch from those of the slices.
template <class T>
bool TrainingProgram<T>::sum_norm_statistics(std::size_t i, int parts) {
  const Size O = bricks_[i].O;
  const T* x = input(i);
  for (std::size_t k = 0; k < sharding_.nodes.size(); ++k) {
    T* node = sharding_.sum ? sharding_.column_shares + Size(k) * 2 * O : mean_[i];
    for_ranges(O, cache_line, parts, [&](int part, Range columns) {
      combine_slices(
          sharding_.nodes[k], node, 2 * O, partial_[std::size_t(part)],
          [&](Range of, T* out) {
            kernels_.batch_norm_statistics(out, out + O, x + of.first * O, of.last - of.first, O,
                                           columns);
          },
          [&](T* out, const T* more, Size rows, Size more_rows) {
            kernels_.batch_norm_merge(out, out + O, more, more + O,
                                      T(more_rows) / T(rows + more_rows), columns);
          });
    });
  }
  if (!sharding_.sum) return true;
  if (!sharding_.sum_columns(batch_rows_, O, true)) return false;
  std::memcpy(mean_[i], sharding_.column_total, std::size_t(2 * O) * sizeof(T));
  return true;
}

// Computes dgamma and dbeta of each node, and, if dx needs them, of the whole batch.
template <class T>
bool TrainingProgram<T>::sum_norm_gradients(std::size_t i, bool needs_dx, int parts) {
  const Brick<T>& brick = bricks_[i];
  const Size O = brick.O;
  const T *x = input(i), *dout = dout_[i];
  const ColumnNorm<T> norm = {brick.norm_params(), mean_[i], spread_[i], true};
  for (std::size_t k = 0; k < sharding_.nodes.size(); ++k) {
    T* gradient = sharding_.sum ? sharding_.shares + Size(k) * n_params_ : total_;
    T* node = gradient + offsets_[i];
    for_ranges(O, cache_line, parts, [&](int part, Range columns) {
      combine_slices(
          sharding_.nodes[k], node, 2 * O, partial_[std::size_t(part)],
          [&](Range of, T* out) {
            kernels_.batch_norm_backward(nullptr, {out, out + O}, dout + of.first * O,
                                         x + of.first * O, norm, of.last - of.first, O, columns);
          },
          [&](T* out, const T* more, Size, Size) {
            for (const Size from : {columns.first, O + columns.first}) {
              kernels_.add(out + from, out + from, more + from, columns.last - columns.first);
            }
          });
    });
    if (sharding_.sum && needs_dx) {
      std::copy_n(node, 2 * O, sharding_.column_shares + Size(k) * 2 * O);
    }
  }
  return !(sharding_.sum && needs_dx) || sharding_.sum_columns(batch_rows_, O, false);
}

// Moves some running statistics of a batch_norm towards those of the batch.
template <class T>
void TrainingProgram<T>::update_running_statistics(std::size_t i, Range columns) {
  const Brick<T>& brick = bricks_[i];
  kernels_.batch_norm_update(brick.running_mean, brick.running_var, mean_[i], spread_[i],
                             brick.momentum, batch_rows_, columns);
}

// The rest of TrainingProgram is instantiated in program.cpp.
#define HANDNN_FOR(T)                                                           \
  template bool TrainingProgram<T>::forward_norm(std::size_t, Size, int);       \
  template bool TrainingProgram<T>::backward_norm(std::size_t, Size, int);      \
  template bool TrainingProgram<T>::sum_norm_statistics(std::size_t, int);      \
  template bool TrainingProgram<T>::sum_norm_gradients(std::size_t, bool, int); \
  template void TrainingProgram<T>::update_running_statistics(std::size_t, Range);
HANDNN_FOR(float)
HANDNN_FOR(double)
#undef HANDNN_FOR

}  // namespace handnn
