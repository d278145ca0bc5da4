// The part of a TrainingProgram that sums a batch in slices: see Sharding.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/program.hpp"

namespace handnn {

template <class T>
void TrainingProgram<T>::lay_out_gradients() {
  offsets_.clear();
  n_params_ = 0;
  Size widest = 0;
  for (const Brick<T>& brick : bricks_) {
    offsets_.push_back(n_params_);
    n_params_ += brick.w.size + brick.b.size;
    const Size rows = brick.kind == Kind::affine ? std::min(rows_at_once, brick.I) : 0;
    widest = std::max({widest, brick.b.size, rows ? rows * brick.O : brick.w.size + brick.b.size});
  }
  total_ = arena_.take<T>(n_params_);
  for (std::size_t i = 0; total_ && i < bricks_.size(); ++i) {
    if (!bricks_[i].learns()) continue;
    stored_dw_[i] = total_ + offsets_[i];
    if (bricks_[i].b.size) stored_db_[i] = stored_dw_[i] + bricks_[i].w.size;
  }
  const int levels = 1 + std::bit_width(std::size_t(sharding_.shards));
  partial_.clear();
  for (int i = 0; i < threads_; ++i) partial_.push_back(arena_.take<T>(levels, widest));
}

template <class T>
double TrainingProgram<T>::sharded_step(const Rows<T>& batch, Size N, double lr_factor, T* outputs,
                                        double total) {
  const int parts = is_worth_sharing(batch.count) ? threads_ : 1;
  x_ = batch.x;
  batch_rows_ = N;
  outputs_ = outputs;
  first_row_ = local_rows(N).first;
  const double none = std::numeric_limits<double>::quiet_NaN();
  // A process without rows takes part in the exchanges of norms.
  if (!forward_and_backward(batch, parts)) return none;
  double value = 0;
  for (std::size_t k = 0; k < sharding_.nodes.size(); ++k) {
    const Range node = sharding_.nodes[k];
    T* gradient = sharding_.sum ? sharding_.shares + Size(k) * n_params_ : total_;
    for_each_learning(parts,
                      [&](std::size_t i, int part) { learn_node(i, node, gradient, part, parts); });
    value = loss_of(node, batch).value_or(0);
    if (sharding_.sum) sharding_.values[k] = value;
  }
  if (sharding_.sum) {
    const std::optional<bool> stops = sharding_.sum(N, value);
    if (!stops) return none;
    is_to_stop_ = *stops;
  }
  for (std::size_t i = 0; i < bricks_.size(); ++i) {
    if (bricks_[i].kind == Kind::batch_norm) update_running_statistics(i, {0, bricks_[i].O});
  }
  total += double(N) * value;
  if (!std::isfinite(total)) return total;
  if (sharding_.sum) std::memcpy(total_, sharding_.total, std::size_t(n_params_) * sizeof(T));
  set_rates(lr_factor, stores() ? clip_scale(clip_norm_, gradient_sum_of_squares(parts)) : 1);
  for_each_learning(parts, [&](std::size_t i, int part) { update(i, part, parts); });
  ++optimizer_.step;
  ++steps_;
  return total;
}

// The rows of a node, counted from the first local one.
template <class T>
Range TrainingProgram<T>::local_rows_of(Range node) const {
  const Range rows = sharding_.rows_of(node, batch_rows_);
  return {rows.first - first_row_, rows.last - first_row_};
}

// Sums the slices of a node into out (n); see combine_slices.
template <class T>
template <class F>
bool TrainingProgram<T>::sum_slices(Range node, T* out, Size n, T* more, const F& compute) const {
  return combine_slices(node, out, n, more, compute, [&](T* sum, const T* others, Size, Size) {
    kernels_.add(sum, sum, others, n);
  });
}

// The part of the loss that a node contributes; nothing if it has no rows.
template <class T>
std::optional<double> TrainingProgram<T>::loss_of(Range node, const Rows<T>& batch) const {
  const Range rows = local_rows_of(node);
  const Size first = rows.first, n = rows.last - first, O = bricks_.outputs();
  if (n == 0) return {};
  if (node.last - node.first == 1) {
    const double mean = kernels_.losses[loss_.which].forward(
        out_.back() + first * O, batch.y_true + first * targets(),
        batch.weight ? batch.weight + first : nullptr, loss_.options, n, O);
    return mean * (double(n) / double(batch_rows_));
  }
  const Size middle = (node.first + node.last) / 2;
  const std::optional<double> one = loss_of({node.first, middle}, batch);
  const std::optional<double> other = loss_of({middle, node.last}, batch);
  if (!one || !other) return one ? one : other;
  return *one + *other;
}

// Computes part `part` of a brick's gradients over the rows of a node, into its place in `gradient`
// (n_params).
template <class T>
void TrainingProgram<T>::learn_node(std::size_t i, Range node, T* gradient, int part, int parts) {
  const Brick<T>& brick = bricks_[i];
  const T *x = input(i), *dout = dout_[i];
  T *dw = gradient + offsets_[i], *more = partial_[std::size_t(part)];
  const Size I = brick.I, O = brick.O;
  if (brick.kind == Kind::affine) {
    const auto [first, last] = share_of(I, part, parts, cache_line);
    for (Size row = first; row < last; row += rows_at_once) {
      const Size rows = std::min(rows_at_once, last - row);
      sum_slices(node, dw + row * O, rows * O, more, [&](Range of, T* out) {
        kernels_.matmul_tn(out, x + of.first * I + row, dout + of.first * O,
                           scratch_[std::size_t(part)], of.last - of.first, rows, O, {I});
      });
    }
  }
  if (part > 0) return;
  switch (brick.kind) {
    case Kind::affine:
      sum_slices(node, dw + I * O, O, more, [&](Range of, T* out) {
        kernels_.column_sums(out, dout + of.first * O, of.last - of.first, O, false);
      });
      return;
    case Kind::binned_affine:
      sum_slices(node, dw, brick.w.size + O, more, [&](Range of, T* out) {
        const T* const slopes = dout + of.first * O;
        const Size n = of.last - of.first;
        T* const db = out + brick.w.size;
        kernels_.column_sums(db, slopes, n, O, false);
        kernels_.binned_affine_dw(out, slopes, x + of.first * I, db, {brick.bin_counts(), {0, I}},
                                  scratch_[0], n, O);
      });
      return;
    case Kind::layer_norm:
      sum_slices(node, dw, 2 * O, more, [&](Range of, T* out) {
        kernels_.layer_norm_dparams({out, out + O}, dout + of.first * O, x + of.first * O,
                                    mean_[i] + of.first, spread_[i] + of.first, of.last - of.first,
                                    O, {0, O});
      });
      return;
    case Kind::embedding:
      sum_slices(node, dw, brick.w.size, more,
                 [&](Range of, T* out) { embedding_dw(i, out, of, {0, brick.codes}); });
      return;
    default:
      return;
  }
}

// The rest of TrainingProgram is instantiated in program.cpp.
#define HANDNN_FOR(T)                                                                         \
  template void TrainingProgram<T>::lay_out_gradients();                                      \
  template double TrainingProgram<T>::sharded_step(const Rows<T>&, Size, double, T*, double); \
  template Range TrainingProgram<T>::local_rows_of(Range) const;                              \
  template void TrainingProgram<T>::learn_node(std::size_t, Range, T*, int, int);             \
  template std::optional<double> TrainingProgram<T>::loss_of(Range, const Rows<T>&) const;
HANDNN_FOR(float)
HANDNN_FOR(double)
#undef HANDNN_FOR

}  // namespace handnn
