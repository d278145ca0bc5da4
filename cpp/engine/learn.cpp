// The part of a TrainingProgram that computes the gradients of params and updates them.
#include <algorithm>
#include <cmath>

#include "engine/pool.hpp"
#include "engine/program.hpp"
#include "kernels/layers/embedding.hpp"

namespace handnn {

namespace {

// The largest number of rows whose gradient is summed in registers and not stored, and the least
// number of columns, unless there is one: rows of w must fill vectors. For the gradient of one row
// with many inputs, a vector suffices. Measured.
constexpr Size most_few_rows = 8, least_columns = 64, least_short = 16;

template <class T>
ParamArrays<T> arrays_of(const Param<T>& param) {
  return {param.value, param.states[0], param.states[1]};
}

bool sums_in_registers(Size N, Size I, Size O) {
  if (N == 1 && I >= least_columns) return O >= least_short || O == 1;
  return N <= most_few_rows && (O >= least_columns || O == 1);
}

}  // namespace

// Rates change from step to step only if one of their factors or a bias correction does.
template <class T>
void TrainingProgram<T>::set_rates(double lr_factor, double grad_scale) {
  const bool is_same = lr_factor == lr_factor_ && grad_scale == grad_scale_;
  if (is_same && are_rates_final_) return;
  const Corrections correct = correction_(optimizer_.step);
  are_rates_final_ = correct.are_final;
  lr_factor_ = lr_factor;
  grad_scale_ = grad_scale;
  OptimizerSettings with = optimizer_;
  with.grad_scale = grad_scale;
  const Param<T>* last = nullptr;
  Rates<T> of_last = {};
  const auto rates_of = [&](const Param<T>& param) {
    const bool is_like_last =
        last && last->lr_scale == param.lr_scale && last->weight_decay == param.weight_decay;
    if (is_like_last) return of_last;
    last = &param;
    with.lr = optimizer_.lr * lr_factor * param.lr_scale;
    with.weight_decay = param.weight_decay;
    return of_last = rates<T>(with, correct);
  };
  for (std::size_t i = first_learning_; i < bricks_.size(); ++i) {
    if (!bricks_[i].learns()) continue;
    w_rates_[i] = rates_of(bricks_[i].w);
    b_rates_[i] = rates_of(bricks_[i].b);
  }
}

// The same for small steps, before at most `steps`, which it reduces to those with known rates.
template <class T>
SmallBatches<T> TrainingProgram<T>::set_rates_of(SmallBatches<T> batches, Size& steps) {
  set_rates(1, 1);
  if (are_rates_final_) return batches;
  constexpr std::uint64_t several = BiasCorrection::several;
  const std::uint64_t at = optimizer_.step % several, first = optimizer_.step - at;
  if (corrected_.empty() || first != first_corrected_) {
    corrected_.resize(several);
    first_corrected_ = first;
    correction_(first, optimizer_.lr * bricks_[0].w.lr_scale, optimizer_.lr * bricks_[0].b.lr_scale,
                corrected_.data());
  }
  steps = std::min(steps, Size(several - at));
  batches.corrected = corrected_.data() + at;
  return batches;
}

// Computes part `part` of a brick's gradients, and stores them or updates the params with them.
// With `adds`, which only affines allow, the sums continue from the stored gradients.
template <class T>
void TrainingProgram<T>::learn(std::size_t i, Size N, int part, int parts, bool adds) {
  const Brick<T>& brick = bricks_[i];
  const Size O = brick.O, D = brick.vector_size();
  if (brick.kind == Kind::affine) {
    return learn_affine(i, N, part, parts, adds);
  } else if (brick.kind == Kind::binned_affine) {
    return learn_binned_affine(i, N, part, parts);
  } else if (brick.kind == Kind::layer_norm) {
    kernels_.layer_norm_dparams({stored_dw_[i], stored_db_[i]}, dout_[i], input(i), mean_[i],
                                spread_[i], N, O, share_of(O, part, parts, cache_line));
  } else if (brick.kind == Kind::embedding) {
    const auto [first, last] = share_of(brick.codes, part, parts);
    embedding_dw(i, stored_dw_[i], {0, N}, {first, last});
    if (!stores())
      apply(brick.w, stored_dw_[i] + first * D, w_rates_[i], first * D, (last - first) * D);
    return;
  }
  if (!stores()) update(i, part, parts);  // the columns computed above
}

// Computes some rows of an embedding's dw from some rows of x.
template <class T>
void TrainingProgram<T>::embedding_dw(std::size_t i, T* dw, Range of, Range codes) const {
  const std::vector<CodeColumn>& columns = bricks_.code_columns();
  const CodeColumn& from = columns[i];
  const Size I = inputs(), O = bricks_[columns.size() - 1].O;
  // Each of the embeddings after it takes a column before its vector.
  const Size vector = bricks_[i].I - Size(columns.size() - i);
  embedding_backward_dw<T>(dw, dout_[i] + of.first * O + vector, O,
                           {x_ + of.first * I + from.column, I, from.codes}, of.last - of.first,
                           bricks_[i].vector_size(), codes);
}

// The number of rows of dw that are computed at a time, and used while they are in the cache. With
// few rows of x the weights are the traffic; with many it is dout, which each part reads. Measured.
template <class T>
Size TrainingProgram<T>::gradient_rows(Size N, Size O) {
  const Size bytes = N <= 16 ? 1 << 16 : N < 128 ? 1 << 18 : 1 << 19;
  const Size least = N <= 16 ? cache_line : 4 * cache_line;
  const Size rows = bytes / (std::max(O, Size(1)) * Size(sizeof(T))) / cache_line * cache_line;
  return std::clamp(rows, least, rows_at_once);
}

// Computes this part's rows of dw and, if it is the first part, db.
template <class T>
void TrainingProgram<T>::learn_affine(std::size_t i, Size N, int part, int parts, bool adds) {
  const Brick<T>& brick = bricks_[i];
  const T *x = input(i), *dout = dout_[i];
  T* scratch = scratch_[std::size_t(part)];
  const Size I = brick.I, O = brick.O;
  const auto [first, last] = share_of(I, part, parts, cache_line);
  const Size most = gradient_rows(N, O);
  const bool is_summed = sums_in_registers(N, I, O) && !stored_dw_[i];
  if (!is_summed && !adds && parts == 1 && I <= most) {
    T *dw = stored_dw_[i] ? stored_dw_[i] : dw_[0], *db = stored_db_[i] ? stored_db_[i] : db_;
    kernels_.affine_dparams(dw, db, dout, x, scratch, N, I, O);
    if (stored_dw_[i]) return;
    apply(brick.w, dw, w_rates_[i], 0, brick.w.size);
    return apply(brick.b, db, b_rates_[i], 0, O);
  }
  if (part == 0) learn_bias(i, N, adds);
  if (is_summed) return learn_from_few_rows(i, N, {first, last});
  for (Size row = first; row < last; row += most) {
    const Size rows = std::min(most, last - row);
    T* dw = stored_dw_[i] ? stored_dw_[i] + row * O : dw_[std::size_t(part)];
    kernels_.matmul_tn(dw, x + row, dout, scratch, N, rows, O, {I, adds});
    if (!stored_dw_[i]) apply(brick.w, dw, w_rates_[i], row * O, rows * O);
  }
}

// Computes the rows of dw of this part's columns and, if it is the first part, db. Unless gradients
// are stored, a few rows are computed at a time, and used while they are in the L1 cache.
template <class T>
void TrainingProgram<T>::learn_binned_affine(std::size_t i, Size N, int part, int parts) {
  constexpr Size bytes = 1 << 14;
  const Brick<T>& brick = bricks_[i];
  const Bins bins = brick.bin_counts();
  const Size O = brick.O, most = stores() ? brick.w.size : bytes / Size(sizeof(T));
  const auto [first, last] = share_of(brick.I, part, parts);
  if (part == 0) kernels_.column_sums(stored_db_[i], dout_[i], N, O, false);
  const T* const db = parts == 1 ? stored_db_[i] : nullptr;
  Size at = 0;  // the first entry of w
  for (Size column = 0; column < first; ++column) at += bins.rows(column) * O;
  T* const of_part = stored_dw_[i] + at;
  for (Size column = first; column < last;) {
    Size end = column, n = 0;
    do n += bins.rows(end++) * O;
    while (end < last && n + bins.rows(end) * O <= most);
    T* const dw = stores() ? stored_dw_[i] + at : of_part;
    kernels_.binned_affine_dw(dw, dout_[i], input(i), db, {bins, {column, end}},
                              scratch_[std::size_t(part)], N, O);
    if (!stores()) apply(brick.w, dw, w_rates_[i], at, n);
    column = end;
    at += n;
  }
  if (part == 0 && !stores()) apply(brick.b, stored_db_[i], b_rates_[i], 0, O);
}

template <class T>
void TrainingProgram<T>::learn_bias(std::size_t i, Size N, bool adds) {
  T* db = stored_db_[i] ? stored_db_[i] : db_;
  kernels_.column_sums(db, dout_[i], N, bricks_[i].O, adds);
  if (!stored_db_[i]) apply(bricks_[i].b, db, b_rates_[i], 0, bricks_[i].O);
}

// Updates some rows of an affine's w without storing their gradient.
template <class T>
void TrainingProgram<T>::learn_from_few_rows(std::size_t i, Size N, Range rows) {
  const Brick<T>& brick = bricks_[i];
  const Size first = rows.first, O = brick.O;
  const auto from_first = [&](T* array) { return array ? array + first * O : nullptr; };
  kernels_.updates_from_rows[optimizer_.which](
      {brick.w.value + first * O, from_first(brick.w.states[0]), from_first(brick.w.states[1])},
      {input(i) + first, brick.I, dout_[i], O, N}, w_rates_[i], rows.last - first, O);
}

// A batch of one row on one thread reads the weights once in backward: the gradient of the input is
// computed from some rows of w, and then they are updated.
template <class T>
bool TrainingProgram<T>::learns_row(Size N, int parts) const {
  const auto needs_all_rows = [](const Brick<T>& brick) { return brick.kind == Kind::batch_norm; };
  return N == 1 && parts == 1 && !is_blocked() && !stores() && !is_sharded() &&
         std::none_of(bricks_.begin(), bricks_.end(), needs_all_rows);
}

// Whether the first brick's w is updated and multiplied by the next row in one pass. With states,
// two vectors that overlap cost more than the pass saves, below least_columns. Measured.
template <class T>
bool TrainingProgram<T>::forwards_next_row() const {
  const Size O = bricks_[0].O;
  const bool has_states = optimizer_.which != int(Optimizer::sgd) || optimizer_.mean_decay != 0;
  return kernels_.updates_and_forward[optimizer_.which] && std::isinf(optimizer_.clip_value) &&
         (O % cache_line == 0 || O >= (has_states ? least_columns : least_short));
}

template <class T>
void TrainingProgram<T>::forward_row(const Rows<T>& batch) {
  const bool has_first = forwarded_ && forwarded_ == batch.x;
  forwarded_ = nullptr;
  for (std::size_t i = has_first; i < bricks_.size(); ++i) forward_rows(i, 0, {0, 1});
  loss_backward(batch, {0, 1});
}

template <class T>
void TrainingProgram<T>::backward_and_learn_row(const T* next_x) {
  for (std::size_t i = bricks_.size(); i-- > first_learning_;) {
    const Brick<T>& brick = bricks_[i];
    const bool reads_once = brick.kind == Kind::affine && sums_in_registers(1, brick.I, brick.O) &&
                            !(i > 0 && is_joined(i - 1));
    if (!reads_once) {
      backward_rows(i, 0, {0, 1});
      if (brick.learns()) learn(i, 1, 0, 1);
      continue;
    }
    const Size I = brick.I, O = brick.O;
    learn_bias(i, 1, false);
    if (i == 0 && next_x && forwards_next_row()) {
      std::copy_n(brick.b.value, O, out_[0]);
      kernels_.updates_and_forward[optimizer_.which](arrays_of(brick.w), x_, dout_[0],
                                                     {next_x, out_[0]}, w_rates_[0], I, O);
      forwarded_ = next_x;
      continue;
    }
    const Size most = i > first_learning_ ? gradient_rows(1, O) : I;
    for (Size row = 0, rows; row < I; row += rows) {
      // The last row is not left alone: its product would be a dot product (dots.hpp).
      rows = I - row <= most + 1 ? I - row : most;
      if (i > first_learning_) {
        kernels_.matmul_nt(dout_[i - 1] + row, dout_[i], brick.w.value + row * O, scratch_[0], 1,
                           rows, O);
      }
      learn_from_few_rows(i, 1, {row, row + rows});
    }
  }
}

// Whether small_steps.hpp takes the steps.
template <class T>
bool TrainingProgram<T>::is_small_affine(Size N) const {
  const Brick<T>& brick = bricks_[0];
  return may_take_small_steps() && bricks_.size() == 1 &&
         kernels_.small_steps.by[optimizer_.which] && brick.I <= small_inputs &&
         brick.O <= kernels_.small_steps.outputs && N <= small_rows && brick.kind == Kind::affine &&
         (loss_.which == int(Loss::mse_loss) || are_plain_labels(loss_.which, loss_.options)) &&
         std::isinf(optimizer_.clip_value);
}

template <class T>
bool TrainingProgram<T>::may_take_small_steps() const {
  return !stores() && !is_blocked() && !is_sharded();
}

template <class T>
bool TrainingProgram<T>::takes_small_steps(Size N) const {
  return small_plan_ || is_small_affine(N);
}

template <class T>
void TrainingProgram<T>::plan_small_steps() {
  if (!may_take_small_steps() || !adds_loss() || !is_small_network(bricks_)) return;
  if (most_rows_ > small_batch && !is_thin_network(kernels_, bricks_, loss_.which)) return;
  small_plan_.emplace(kernels_, bricks_, loss_.which, loss_.options, optimizer_, most_rows_,
                      scratch_[0]);
  if (is_small_affine(most_rows_) && !small_plan_->is_tiny()) small_plan_.reset();
}

template <class T>
void TrainingProgram<T>::finish_steps() {
  if (small_plan_) small_plan_->save();
  forwarded_ = nullptr;
}

template <class T>
Size TrainingProgram<T>::small_steps(const SmallBatches<T>& batches, Size steps, double& total) {
  if (small_plan_) return plan_steps(batches, steps, total);
  const Brick<T>& brick = bricks_[0];
  const SmallBatches<T> next = set_rates_of(batches, steps);
  const bool are_labels = loss_.which != int(Loss::mse_loss);
  const SmallAffine<T> affine = {brick.I,      brick.O,      arrays_of(brick.w), arrays_of(brick.b),
                                 &w_rates_[0], &b_rates_[0], are_labels};
  const Size taken =
      kernels_.small_steps.by[optimizer_.which](affine, next, scale_of(next.N), steps, total);
  optimizer_.step += std::uint64_t(taken);
  steps_ += std::uint64_t(taken);
  return taken;
}

template <class T>
Size TrainingProgram<T>::plan_steps(const SmallBatches<T>& batches, Size steps, double& total) {
  const T scale = scale_of(batches.N);
  small_plan_->load();
  Size step = 0;
  if (small_plan_->has_steps()) {
    const SmallBatches<T> next = set_rates_of(batches, steps);
    step = small_plan_->steps(next, w_rates_[0], scale, steps, total);
    optimizer_.step += std::uint64_t(step);
    steps_ += std::uint64_t(step);
    return step;
  }
  for (; step < steps; ++step) {
    total += double(batches.N) * small_plan_->gradients(batches, step, scale);
    if (!std::isfinite(total)) break;
    set_rates(1, 1);
    small_plan_->update(optimizer_.which, w_rates_[0]);
    ++optimizer_.step;
    ++steps_;
  }
  return step;
}

// The sum of squares of all stored gradients: one sum per array, added in the order of the arrays.
template <class T>
double TrainingProgram<T>::gradient_sum_of_squares(int parts) {
  run_parts(parts, [&](int part) {
    for (std::size_t array = std::size_t(part); array < sums_of_squares_.size();
         array += std::size_t(parts)) {
      const Brick<T>& brick = bricks_[array / 2];
      const bool is_w = array % 2 == 0;
      const T* grad = is_w ? stored_dw_[array / 2] : stored_db_[array / 2];
      const Size size = is_w ? brick.w.size : brick.b.size;
      sums_of_squares_[array] = grad ? kernels_.sum_of_squares(grad, size) : 0;
    }
  });
  double sum = 0;
  for (const double array : sums_of_squares_) sum += array;
  return sum;
}

// Updates this part's range of w and b from the stored gradients.
template <class T>
void TrainingProgram<T>::update(std::size_t i, int part, int parts) {
  const auto share = [&](const Param<T>& param, const T* grad, const Rates<T>& rates) {
    const auto [first, last] = share_of(param.size, part, parts, cache_line);
    if (first < last) apply(param, grad + first, rates, first, last - first);
  };
  share(bricks_[i].w, stored_dw_[i], w_rates_[i]);
  share(bricks_[i].b, stored_db_[i], b_rates_[i]);
}

// Updates entries first ... first + n - 1 of a param from grad (n).
template <class T>
void TrainingProgram<T>::apply(const Param<T>& param, const T* grad, const Rates<T>& rates,
                               Size first, Size n) {
  const auto from_first = [&](T* array) { return array ? array + first : nullptr; };
  kernels_.updates[optimizer_.which](param.value + first, from_first(param.states[0]),
                                     from_first(param.states[1]), grad, rates, n);
}

// The rest of TrainingProgram is instantiated in program.cpp.
#define HANDNN_FOR(T)                                                                   \
  template void TrainingProgram<T>::set_rates(double, double);                          \
  template SmallBatches<T> TrainingProgram<T>::set_rates_of(SmallBatches<T>, Size&);    \
  template void TrainingProgram<T>::learn(std::size_t, Size, int, int, bool);           \
  template void TrainingProgram<T>::learn_affine(std::size_t, Size, int, int, bool);    \
  template void TrainingProgram<T>::learn_binned_affine(std::size_t, Size, int, int);   \
  template Size TrainingProgram<T>::gradient_rows(Size, Size);                          \
  template void TrainingProgram<T>::learn_bias(std::size_t, Size, bool);                \
  template void TrainingProgram<T>::embedding_dw(std::size_t, T*, Range, Range) const;  \
  template void TrainingProgram<T>::learn_from_few_rows(std::size_t, Size, Range);      \
  template bool TrainingProgram<T>::learns_row(Size, int) const;                        \
  template bool TrainingProgram<T>::is_small_affine(Size) const;                        \
  template bool TrainingProgram<T>::may_take_small_steps() const;                       \
  template bool TrainingProgram<T>::takes_small_steps(Size) const;                      \
  template void TrainingProgram<T>::plan_small_steps();                                 \
  template void TrainingProgram<T>::finish_steps();                                     \
  template Size TrainingProgram<T>::plan_steps(const SmallBatches<T>&, Size, double&);  \
  template Size TrainingProgram<T>::small_steps(const SmallBatches<T>&, Size, double&); \
  template bool TrainingProgram<T>::forwards_next_row() const;                          \
  template void TrainingProgram<T>::forward_row(const Rows<T>&);                        \
  template void TrainingProgram<T>::backward_and_learn_row(const T*);                   \
  template double TrainingProgram<T>::gradient_sum_of_squares(int);                     \
  template void TrainingProgram<T>::update(std::size_t, int, int);                      \
  template void TrainingProgram<T>::apply(const Param<T>&, const T*, const Rates<T>&, Size, Size);
HANDNN_FOR(float)
HANDNN_FOR(double)
#undef HANDNN_FOR

}  // namespace handnn
