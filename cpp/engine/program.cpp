#include "engine/program.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

#include "engine/pool.hpp"
#include "engine/predict.hpp"

namespace handnn {

namespace {

// The least work, in multiply-adds, of a step that is worth sharing: tens of microseconds on one
// thread.
constexpr double worth_sharing = 2e6;

// The least numbers of rows and columns of a ReLU that its neighbors compute. Smaller arrays stay
// in the cache.
constexpr Size least_joined_rows = 16, least_joined_columns = 64;

// Whether the output may take the place of the input, because backward does not need the input.
template <class T>
bool replaces_input(const Brick<T>& brick) {
  return brick.kind == Kind::activation && activation_facts[brick.activation].kept == Kept::out;
}

// Throws std::invalid_argument if a state is missing that the optimizer reads without asking.
template <class T>
void require_states(const CheckedBricks<T>& bricks, const OptimizerFacts& facts) {
  for (const Brick<T>& brick : bricks) {
    for (const Param<T>* param : {&brick.w, &brick.b}) {
      for (int i = 0; param->value && i < 2; ++i) {
        if (facts.always_keeps(i) && !param->states[i]) {
          throw std::invalid_argument(std::string("a param has no state ") + facts.states[i]);
        }
      }
    }
  }
}

}  // namespace

template <class T>
TrainingProgram<T>::TrainingProgram(const Kernels<T>& kernels, CheckedBricks<T> bricks,
                                    LossSettings<T> loss, OptimizerSettings optimizer,
                                    double clip_norm, Size most_rows, int threads,
                                    Sharding<T> sharding)
    : kernels_(kernels),
      bricks_(std::move(bricks)),
      loss_(loss),
      optimizer_(optimizer),
      clip_norm_(clip_norm),
      most_rows_(most_rows),
      threads_(1),
      correction_(optimizer),
      sharding_(std::move(sharding)) {
  while (first_learning_ < bricks_.size() && !bricks_[first_learning_].learns()) ++first_learning_;
  if (first_learning_ == bricks_.size()) throw std::invalid_argument("no brick has params");
  require_states(bricks_, optimizer_facts[optimizer.which]);
  for (const Brick<T>& brick : bricks_) work_per_row_ += brick.work();
  if (is_worth_sharing(most_rows)) threads_ = threads ? threads : num_threads();
  w_rates_.resize(bricks_.size());
  b_rates_.resize(bricks_.size());
  block_rows_ = choose_block_rows();
  sums_of_squares_.resize(2 * bricks_.size());
  lay_out();
  arena_.commit();
  lay_out();
  plan_small_steps();
}

template <class T>
bool TrainingProgram<T>::is_worth_sharing(Size rows) const {
  return work_per_row_ * double(rows) >= worth_sharing;
}

template <class T>
bool TrainingProgram<T>::stores() const {
  return std::isfinite(clip_norm_);
}

// Whether brick i is a ReLU that the affines beside it compute.
template <class T>
bool TrainingProgram<T>::is_joined(std::size_t i) const {
  return i > 0 && i + 1 < bricks_.size() && bricks_[i].is_relu() &&
         most_rows_ >= least_joined_rows && bricks_[i].O >= least_joined_columns &&
         bricks_[i - 1].kind == Kind::affine && bricks_[i + 1].kind == Kind::affine;
}

// Whether activation i keeps its slope in its input, which nothing else needs.
template <class T>
bool TrainingProgram<T>::keeps_slope(std::size_t i) const {
  return i > 0 && bricks_[i].kind == Kind::activation && bricks_[i - 1].is_affine() &&
         kernels_.activations[bricks_[i].activation].out_and_slope;
}

// Whether the value and the gradient of the loss are computed in one pass on one thread.
template <class T>
bool TrainingProgram<T>::adds_loss() const {
  return !is_sharded() && kernels_.losses[loss_.which].add_and_backward;
}

// Whether the last output of the whole batch is kept, because the loss reads it a second time.
template <class T>
bool TrainingProgram<T>::keeps_last() const {
  return threads_ > 1 || !adds_loss();
}

// Whether the gradient of the loss takes the place of the last output, which nothing else reads. Of
// a single row, that of the next one may take it.
template <class T>
bool TrainingProgram<T>::replaces_last() const {
  return most_rows_ > 1 && !keeps_last() && kernels_.losses[loss_.which].is_in_place &&
         bricks_[bricks_.size() - 1].is_affine();
}

template <class T>
void TrainingProgram<T>::lay_out() {
  const std::size_t count = bricks_.size();
  const Size array_rows = is_blocked() ? std::min(block_rows_, most_rows_) : most_rows_;
  const Size last_rows = keeps_last() ? most_rows_ : array_rows;
  Size widest = 0, most_weights = 0;
  for (std::vector<T*>* arrays : {&out_, &dout_, &mean_, &spread_, &stored_dw_, &stored_db_}) {
    arrays->assign(count, nullptr);
  }
  negative_.assign(count, nullptr);
  for (std::size_t i = 0; i < count; ++i) {
    const Brick<T>& brick = bricks_[i];
    if (brick.kind == Kind::fork) {
      out_[i] = i ? out_[i - 1] : nullptr;
      continue;
    }
    const Size rows = i + 1 == count ? last_rows : array_rows;
    if (is_joined(i) ||
        (i > 0 && bricks_[i - 1].is_affine() && replaces_input(brick) && rows == array_rows)) {
      out_[i] = out_[i - 1];
    } else if (brick.kind != Kind::embedding || i + 1 == bricks_.code_columns().size()) {
      out_[i] = arena_.take<T>(rows, brick.O);
    }
    if (is_joined(i)) negative_[i] = arena_.take<Signs>(array_rows, sign_words(brick.O));
    if (brick.kind == Kind::layer_norm) {
      mean_[i] = arena_.take<T>(array_rows);
      spread_[i] = arena_.take<T>(array_rows);
    } else if (brick.kind == Kind::batch_norm) {
      mean_[i] = arena_.take<T>(2, brick.O);
      spread_[i] = mean_[i] ? mean_[i] + brick.O : nullptr;
    }
    if (brick.learns() && !is_sharded() &&
        (stores() || is_blocked() || brick.kind != Kind::affine)) {
      stored_dw_[i] = arena_.take<T>(brick.w.size);
      stored_db_[i] = arena_.take<T>(brick.b.size);
    }
    if (brick.kind != Kind::affine) continue;
    widest = std::max(widest, brick.O);
    most_weights = std::max(most_weights, std::min(rows_at_once, brick.I) * brick.O);
  }
  // The gradient that an add passes to its block is needed again at the fork.
  bool is_shared = false;
  dout_[count - 1] =
      replaces_last() ? out_[count - 1] : arena_.take<T>(array_rows, bricks_[count - 1].O);
  for (std::size_t i = count - 1; i > 0; --i) {
    is_shared |= bricks_[i].kind == Kind::add;
    const bool reuses = bricks_[i].kind == Kind::add || bricks_[i].kind == Kind::embedding ||
                        (bricks_[i].works_in_place() && !is_shared);
    dout_[i - 1] = reuses ? dout_[i] : arena_.take<T>(array_rows, bricks_[i].I);
    is_shared &= reuses;
  }
  if (is_sharded()) lay_out_gradients();
  db_ = arena_.take<T>(widest);
  scratch_.clear();
  dw_.clear();
  for (int i = 0; i < threads_; ++i) {
    scratch_.push_back(arena_.take<T>(brick_scratch(kernels_, bricks_)));
    dw_.push_back(arena_.take<T>(most_weights));
  }
}

template <class T>
double TrainingProgram<T>::step(const Rows<T>& batch, double lr_factor, T* outputs, double total,
                                const T* next_x) {
  const Size N = batch.count;
  const bool can_share = threads_ > 1 && is_worth_sharing(N);
  const int parts = can_share && sharing_.shares() ? threads_ : 1;
  if (can_share) sharing_.begin_step();
  batch_rows_ = N;
  outputs_ = outputs;
  // One thread passes the rows in order, as the sums require.
  is_loss_added_ = parts == 1 && adds_loss();
  const bool is_row = learns_row(N, parts);
  if (!is_row) forwarded_ = nullptr;
  if (is_blocked()) {
    run_blocks(batch, parts);
  } else {
    x_ = batch.x;
    if (is_row) {
      forward_row(batch);
    } else {
      forward_and_backward(batch, parts);
    }
  }
  total += double(N) * loss_of(batch);
  if (!std::isfinite(total)) return total;
  set_rates(lr_factor, 1);
  if (is_row) {
    backward_and_learn_row(next_x);
  } else if (!is_blocked()) {
    for_each_learning(parts, [&](std::size_t i, int part) { learn(i, N, part, parts); });
  }
  if (stores()) set_rates(lr_factor, clip_scale(clip_norm_, gradient_sum_of_squares(parts)));
  if (stores() || is_blocked()) {
    for_each_learning(parts, [&](std::size_t i, int part) { update(i, part, parts); });
  }
  ++optimizer_.step;
  ++steps_;
  if (can_share) sharing_.end_step();
  return total;
}

// Computes all outputs and the gradients of all learning bricks' outputs. Each BatchNorm ends a run
// of bricks whose rows are independent. Returns false if an exchange with other processes failed.
template <class T>
bool TrainingProgram<T>::forward_and_backward(const Rows<T>& batch, int parts) {
  const std::size_t count = bricks_.size();
  const Size N = batch.count;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (bricks_[i].kind != Kind::batch_norm) continue;
    for_ranges(N, 1, parts, [&](int part, Range rows) {
      for (std::size_t k = begin; k < i; ++k) forward_rows(k, part, rows);
    });
    if (!forward_norm(i, N, parts)) return false;
    begin = i + 1;
  }
  for_ranges(N, 1, parts, [&](int part, Range rows) {
    for (std::size_t k = begin; k < count; ++k) forward_rows(k, part, rows);
    loss_backward(batch, rows);
    for (std::size_t k = count; k-- > begin;) backward_rows(k, part, rows);
  });
  while (begin > first_learning_) {  // begin - 1 is a batch_norm
    const std::size_t end = begin - 1;
    if (!backward_norm(end, N, parts)) return false;
    begin = end;
    while (begin > first_learning_ && bricks_[begin - 1].kind != Kind::batch_norm) --begin;
    for_ranges(N, 1, parts, [&](int part, Range rows) {
      for (std::size_t k = end; k-- > begin;) backward_rows(k, part, rows);
    });
  }
  return true;
}

// Computes some rows of the gradient of the loss: of the mean over the batch, or, of a batch in
// slices, of the mean over each slice times its share of the rows. Copies the outputs before, if
// they are wanted.
template <class T>
void TrainingProgram<T>::loss_backward(const Rows<T>& batch, Range rows) {
  const LossFacts& facts = loss_facts[loss_.which];
  const Size O = bricks_.outputs(), Y = targets();
  if (outputs_) {
    std::memcpy(outputs_ + rows.first * O, out_.back() + rows.first * O,
                std::size_t((rows.last - rows.first) * O) * sizeof(T));
  }
  const auto backward = [&](Range part, double scale) {
    if (part.first >= part.last) return;
    const LossKernels<T>& loss = kernels_.losses[loss_.which];
    T* const dx = dout_.back() + part.first * O;
    const T *pre = out_.back() + part.first * O, *y_true = batch.y_true + part.first * Y,
            *weight = batch.weight ? batch.weight + part.first : nullptr;
    const T factor = T(loss_.exact ? scale : 1.0);
    const Size N = part.last - part.first;
    if (is_loss_added_) {
      loss.add_and_backward({loss_sums_, dx}, pre, y_true, weight, loss_.options, factor, N, O);
    } else {
      loss.backward(dx, pre, y_true, weight, loss_.options, factor, N, O);
    }
  };
  if (!is_sharded()) return backward(rows, facts.slope_scale(batch_rows_, O));
  for (Size slice = sharding_.mine.first; slice < sharding_.mine.last; ++slice) {
    const Range of_slice = local_rows_of({slice, slice + 1});
    const Size n = of_slice.last - of_slice.first;
    if (n == 0) continue;
    backward({std::max(rows.first, of_slice.first), std::min(rows.last, of_slice.last)},
             facts.slope_scale(n, O) * (double(n) / double(batch_rows_)));
  }
}

template <class T>
double TrainingProgram<T>::loss_of(const Rows<T>& batch) {
  const LossKernels<T>& loss = kernels_.losses[loss_.which];
  const Size N = batch.count, O = bricks_.outputs();
  if (is_loss_added_) return loss.mean(loss_sums_, N, O);
  return loss.forward(out_.back(), batch.y_true, batch.weight, loss_.options, N, O);
}

// Computes some rows of the output of brick i, which is not a batch_norm.
template <class T>
void TrainingProgram<T>::forward_rows(std::size_t i, int part, Range rows) {
  const Brick<T>& brick = bricks_[i];
  if (brick.kind == Kind::fork || is_joined(i)) return;
  const Size first = rows.first, N = rows.last - first, I = brick.I, O = brick.O;
  if (brick.kind == Kind::embedding) {  // the last one computes all
    if (out_[i]) embed(bricks_, out_[i] + first * O, x_ + first * inputs(), N);
    return;
  }
  const T* x = input(i) + first * I;
  T* out = out_[i] + first * O;
  if (is_joined(i + 1)) {
    Signs* const negative = negative_[i + 1] + first * sign_words(O);
    return kernels_.affine_relu_forward({out, negative}, x, brick.w.value, brick.b.value,
                                        scratch_[std::size_t(part)], N, I, O);
  }
  if (keeps_slope(i)) {
    T* const slope = out_[i - 1] + first * I;
    return kernels_.activations[brick.activation].out_and_slope(out, slope, x, brick.setting,
                                                                N * O);
  }
  switch (brick.kind) {
    case Kind::layer_norm:
      return kernels_.layer_norm_forward(out, mean_[i] + first, spread_[i] + first, x,
                                         brick.norm_params(), N, O);
    case Kind::dropout:
      return kernels_.dropout_forward(out, x, brick.seed, step_of(brick), brick.p,
                                      (first_row_ + first) * O, N * O);
    case Kind::add:
      return kernels_.add(out, x, input(brick.fork) + first * O, N * O);
    default:
      return forward_as_in_prediction(kernels_, brick, out, x, scratch_[std::size_t(part)], N);
  }
}

// Computes some rows of the gradient of the input of affine i, or, after a joined ReLU, of that of
// the ReLU.
template <class T>
void TrainingProgram<T>::affine_dx(std::size_t i, int part, Range rows) {
  const Brick<T>& brick = bricks_[i];
  const Size first = rows.first, N = rows.last - first, I = brick.I, O = brick.O;
  const T *dout = dout_[i] + first * O, *w = brick.w.value;
  T *const dx = dout_[i - 1] + first * I, *const scratch = scratch_[std::size_t(part)];
  if (!is_joined(i - 1)) return kernels_.matmul_nt(dx, dout, w, scratch, N, I, O);
  kernels_.relu_affine_dx(dx, dout, w, negative_[i - 1] + first * sign_words(I), scratch, N, I, O);
}

// Computes some rows of the gradient of the input of brick i.
template <class T>
void TrainingProgram<T>::backward_rows(std::size_t i, int part, Range rows) {
  if (i <= first_learning_ || is_joined(i)) return;
  const Brick<T>& brick = bricks_[i];
  const Size first = rows.first, N = rows.last - first, I = brick.I, O = brick.O;
  const T *x = input(i) + first * I, *out = output(i) + first * O;
  const T* dout = dout_[i] + first * O;
  T* dx = dout_[i - 1] + first * I;
  switch (brick.kind) {
    case Kind::affine:
      return affine_dx(i, part, rows);
    case Kind::binned_affine: {
      // Only the vectors of embeddings need it: the last columns, which have no bins. They are
      // computed side by side and then moved to their rows, the last one first.
      const Size first_vector = inputs() - Size(i), D = I - first_vector;
      kernels_.matmul_nt(dx, dout, brick.w.value + brick.w.size - D * O,
                         scratch_[std::size_t(part)], N, D, O);
      for (Size n = N; n-- > 0;) {
        std::memmove(dx + n * I + first_vector, dx + n * D, std::size_t(D) * sizeof(T));
      }
      return;
    }
    case Kind::activation: {
      if (keeps_slope(i)) return kernels_.multiply(dx, dout, x, N * O);
      const bool keeps_out = activation_facts[brick.activation].kept == Kept::out;
      return kernels_.activations[brick.activation].backward(dx, dout, keeps_out ? out : x,
                                                             brick.setting, N * O);
    }
    case Kind::softmax:
      return kernels_.softmax_backward(dx, dout, out, N, O);
    case Kind::layer_norm:
      return kernels_.layer_norm_dx(dx, dout, x, brick.w.value, mean_[i] + first,
                                    spread_[i] + first, N, O);
    case Kind::dropout:
      return kernels_.dropout_backward(dx, dout, brick.seed, step_of(brick), brick.p,
                                       (first_row_ + first) * O, N * O);
    case Kind::fork: {
      // The sum of the gradients of the block and of the shortcut.
      std::size_t add = i;
      while (bricks_[add].kind != Kind::add || bricks_[add].fork != i) ++add;
      return kernels_.add(dx, dout, dout_[add] + first * O, N * O);
    }
    case Kind::embedding:
    case Kind::batch_norm:
    case Kind::add:
      return;
  }
}

template class TrainingProgram<float>;
template class TrainingProgram<double>;

}  // namespace handnn
