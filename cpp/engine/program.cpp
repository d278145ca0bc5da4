#include "engine/program.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "engine/pool.hpp"
#include "engine/predict.hpp"

namespace handnn {

namespace {

// The least work, in multiply-adds, of a step that is worth sharing: tens of microseconds on one
// thread.
constexpr double worth_sharing = 2e6;

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
      sharding_(std::move(sharding)) {
  while (first_learning_ < bricks_.size() && !bricks_[first_learning_].learns()) ++first_learning_;
  if (first_learning_ == bricks_.size()) throw std::invalid_argument("no brick has params");
  for (const Brick<T>& brick : bricks_) work_per_row_ += brick.work();
  if (is_worth_sharing(most_rows)) threads_ = threads ? threads : num_threads();
  w_rates_.resize(bricks_.size());
  b_rates_.resize(bricks_.size());
  block_rows_ = choose_block_rows();
  sums_of_squares_.resize(2 * bricks_.size());
  lay_out();
  arena_.commit();
  lay_out();
}

template <class T>
bool TrainingProgram<T>::is_worth_sharing(Size rows) const {
  return work_per_row_ * double(rows) >= worth_sharing;
}

template <class T>
bool TrainingProgram<T>::stores() const {
  return std::isfinite(clip_norm_);
}

template <class T>
void TrainingProgram<T>::lay_out() {
  const std::size_t count = bricks_.size();
  const Size array_rows = is_blocked() ? std::min(block_rows_, most_rows_) : most_rows_;
  Size widest = 0, most_weights = 0;
  for (std::vector<T*>* arrays : {&out_, &dout_, &mean_, &spread_, &stored_dw_, &stored_db_}) {
    arrays->assign(count, nullptr);
  }
  for (std::size_t i = 0; i < count; ++i) {
    const Brick<T>& brick = bricks_[i];
    if (brick.kind == Kind::fork) {
      out_[i] = i ? out_[i - 1] : nullptr;
    } else {
      // The loss needs the last output of the whole batch.
      out_[i] = arena_.take<T>(i + 1 == count ? most_rows_ : array_rows, brick.O);
    }
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
  dout_[count - 1] = arena_.take<T>(array_rows, bricks_[count - 1].O);
  for (std::size_t i = count - 1; i > 0; --i) {
    is_shared |= bricks_[i].kind == Kind::add;
    const bool reuses = bricks_[i].kind == Kind::add || (bricks_[i].works_in_place() && !is_shared);
    dout_[i - 1] = reuses ? dout_[i] : arena_.take<T>(array_rows, bricks_[i].I);
    is_shared &= reuses;
  }
  if (is_sharded()) lay_out_gradients();
  db_ = arena_.take<T>(widest);
  scratch_.clear();
  dw_.clear();
  for (int i = 0; i < threads_; ++i) {
    scratch_.push_back(arena_.take<T>(kernels_.scratch_size));
    dw_.push_back(arena_.take<T>(most_weights));
  }
}

template <class T>
double TrainingProgram<T>::step(const Rows<T>& batch, double lr_factor) {
  const Size N = batch.count;
  const int parts = is_worth_sharing(N) ? threads_ : 1;
  const LossKernels<T>& loss = kernels_.losses[loss_.which];
  batch_rows_ = N;
  if (is_blocked()) {
    run_blocks(batch, parts);
  } else {
    x_ = batch.x;
    forward_and_backward(batch, parts);
  }
  const double value =
      loss.forward(out_.back(), batch.y_true, batch.weight, loss_.options, N, bricks_.outputs());
  if (!std::isfinite(value)) return value;
  set_rates(lr_factor, 1);
  if (!is_blocked()) {
    for_each_learning(parts, [&](std::size_t i, int part) { learn(i, N, part, parts); });
  }
  if (stores()) set_rates(lr_factor, clip_scale(clip_norm_, gradient_sum_of_squares(parts)));
  if (stores() || is_blocked()) {
    for_each_learning(parts, [&](std::size_t i, int part) { update(i, part, parts); });
  }
  ++optimizer_.step;
  ++steps_;
  return value;
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
// slices, of the mean over each slice times its share of the rows.
template <class T>
void TrainingProgram<T>::loss_backward(const Rows<T>& batch, Range rows) {
  const LossFacts& facts = loss_facts[loss_.which];
  const Size O = bricks_.outputs(), Y = targets();
  const auto backward = [&](Range part, double scale) {
    if (part.first >= part.last) return;
    kernels_.losses[loss_.which].backward(
        dout_.back() + part.first * O, out_.back() + part.first * O, batch.y_true + part.first * Y,
        batch.weight ? batch.weight + part.first : nullptr, loss_.options,
        T(loss_.exact ? scale : 1.0), part.last - part.first, O);
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

// Computes some rows of the output of brick i, which is not a batch_norm.
template <class T>
void TrainingProgram<T>::forward_rows(std::size_t i, int part, Range rows) {
  const Brick<T>& brick = bricks_[i];
  if (brick.kind == Kind::fork) return;
  const Size first = rows.first, N = rows.last - first, I = brick.I, O = brick.O;
  const T* x = input(i) + first * I;
  T* out = out_[i] + first * O;
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

// Computes some rows of the gradient of the input of brick i.
template <class T>
void TrainingProgram<T>::backward_rows(std::size_t i, int part, Range rows) {
  if (i <= first_learning_) return;
  const Brick<T>& brick = bricks_[i];
  const Size first = rows.first, N = rows.last - first, I = brick.I, O = brick.O;
  const T *x = input(i) + first * I, *out = output(i) + first * O;
  const T* dout = dout_[i] + first * O;
  T* dx = dout_[i - 1] + first * I;
  switch (brick.kind) {
    case Kind::affine:
      return kernels_.matmul_nt(dx, dout, brick.w.value, scratch_[std::size_t(part)], N, I, O);
    case Kind::activation: {
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
    case Kind::embedding:
      return kernels_.embedding_backward_dx(dx, dout, N, I, brick.vector_size(), brick.column);
    case Kind::fork: {
      // The sum of the gradients of the block and of the shortcut.
      std::size_t add = i;
      while (bricks_[add].kind != Kind::add || bricks_[add].fork != i) ++add;
      return kernels_.add(dx, dout, dout_[add] + first * O, N * O);
    }
    case Kind::batch_norm:
    case Kind::add:
      return;
  }
}

template <class T>
void TrainingProgram<T>::set_rates(double lr_factor, double grad_scale) {
  OptimizerSettings with = optimizer_;
  with.grad_scale = grad_scale;
  const Corrections correct = corrections(with);
  const auto rates_of = [&](const Param<T>& param) {
    with.lr = optimizer_.lr * lr_factor * param.lr_scale;
    with.weight_decay = param.weight_decay;
    return rates<T>(with, correct);
  };
  for (std::size_t i = first_learning_; i < bricks_.size(); ++i) {
    if (!bricks_[i].learns()) continue;
    w_rates_[i] = rates_of(bricks_[i].w);
    b_rates_[i] = rates_of(bricks_[i].b);
  }
}

// Computes part `part` of a brick's gradients, and stores them or updates the params with them.
// With `adds`, which only affines allow, the sums continue from the stored gradients.
template <class T>
void TrainingProgram<T>::learn(std::size_t i, Size N, int part, int parts, bool adds) {
  const Brick<T>& brick = bricks_[i];
  const Size O = brick.O, D = brick.vector_size();
  if (brick.kind == Kind::affine) {
    return learn_affine(i, N, part, parts, adds);
  } else if (brick.kind == Kind::layer_norm) {
    kernels_.layer_norm_dparams({stored_dw_[i], stored_db_[i]}, dout_[i], input(i), mean_[i],
                                spread_[i], N, O, share_of(O, part, parts, cache_line));
  } else if (brick.kind == Kind::embedding) {
    const auto [first, last] = share_of(brick.codes, part, parts);
    kernels_.embedding_backward_dw(stored_dw_[i], dout_[i], input(i), brick.code_column(), N,
                                   brick.I, D, {first, last});
    if (!stores())
      apply(brick.w, stored_dw_[i] + first * D, w_rates_[i], first * D, (last - first) * D);
    return;
  }
  if (!stores()) update(i, part, parts);  // the columns computed above
}

// The number of rows of dw that are computed at a time. With few rows of x the weights are the
// traffic, so each part of dw is used while it is in the cache; more calls than that cost more.
template <class T>
Size TrainingProgram<T>::gradient_rows(Size N, Size O) {
  const Size bytes = N <= 16 ? 1 << 16 : 1 << 18, least = N <= 16 ? cache_line : 4 * cache_line;
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
  for (Size row = first; row < last; row += most) {
    const Size rows = std::min(most, last - row);
    T* dw = stored_dw_[i] ? stored_dw_[i] + row * O : dw_[std::size_t(part)];
    kernels_.matmul_tn(dw, x + row, dout, scratch, N, rows, O, {I, adds});
    if (!stored_dw_[i]) apply(brick.w, dw, w_rates_[i], row * O, rows * O);
  }
  if (part > 0) return;
  T* db = stored_db_[i] ? stored_db_[i] : db_;
  kernels_.column_sums(db, dout, N, O, adds);
  if (!stored_db_[i]) apply(brick.b, db, b_rates_[i], 0, O);
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

template class TrainingProgram<float>;
template class TrainingProgram<double>;

}  // namespace handnn
