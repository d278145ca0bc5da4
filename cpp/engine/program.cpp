#include "engine/program.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/pool.hpp"

namespace handnn {

namespace {

// Multiply-adds that make a step worth sharing: some tens of microseconds for one thread.
constexpr double worth_sharing = 2e6;

// Rows of w whose gradient is computed and used before the next: it is still in the cache then.
constexpr Size rows_at_once = 256;

// Rows of w are dealt out in groups of so many, which share cache lines of x.
constexpr Size cache_line = 16;

template <class T>
void forward_brick(const Kernels<T>& kernels, const Brick<T>& brick, T* out, const T* x, T* scratch,
                   Size N) {
  if (brick.is_affine())
    return kernels.affine_forward(out, x, brick.w.value, brick.b.value, scratch, N, brick.I,
                                  brick.O);
  kernels.activations[brick.activation].forward(out, x, brick.setting, N * brick.O);
}

}  // namespace

template <class T>
TrainingProgram<T>::TrainingProgram(const Kernels<T>& kernels, std::vector<Brick<T>> bricks,
                                    LossSettings<T> loss, OptimizerSettings optimizer,
                                    double clip_norm, Size most_rows)
    : kernels_(kernels),
      bricks_(std::move(bricks)),
      loss_(loss),
      optimizer_(optimizer),
      clip_norm_(clip_norm),
      most_rows_(most_rows),
      threads_(num_threads()) {
  while (!bricks_[first_learning_].is_affine()) ++first_learning_;
  for (const Brick<T>& brick : bricks_) {
    work_per_row_ += brick.is_affine() ? 3.0 * double(brick.I) * double(brick.O)
                                       : activation_facts[brick.activation].cost * double(brick.O);
  }
  w_rates_.resize(bricks_.size());
  b_rates_.resize(bricks_.size());
  sums_of_squares_.resize(2 * bricks_.size());
  lay_out();
  arena_.commit();
  lay_out();
}

template <class T>
void TrainingProgram<T>::lay_out() {
  Size widest = 0, most_weights = 0;
  out_.clear();
  dout_.clear();
  scratch_.clear();
  dw_.clear();
  stored_dw_.clear();
  stored_db_.clear();
  const bool stores = std::isfinite(clip_norm_);
  for (const Brick<T>& brick : bricks_) {
    out_.push_back(arena_.take<T>(most_rows_ * brick.O));
    // What changes entries one by one does so in place on the way back.
    dout_.push_back(brick.is_affine() || dout_.empty() ? arena_.take<T>(most_rows_ * brick.O)
                                                       : dout_.back());
    widest = std::max(widest, brick.O);
    stored_dw_.push_back(stores && brick.is_affine() ? arena_.take<T>(brick.I * brick.O) : nullptr);
    stored_db_.push_back(stores && brick.is_affine() ? arena_.take<T>(brick.O) : nullptr);
    if (brick.is_affine())
      most_weights = std::max(most_weights, std::min(rows_at_once, brick.I) * brick.O);
  }
  db_ = arena_.take<T>(widest);
  for (int i = 0; i < threads_; ++i) {
    scratch_.push_back(arena_.take<T>(kernels_.scratch_size));
    dw_.push_back(arena_.take<T>(most_weights));
  }
}

template <class T>
double TrainingProgram<T>::step(const T* x, const T* y_true, const T* weight, Size N,
                                double lr_factor) {
  const int parts = work_per_row_ * double(N) < worth_sharing ? 1 : threads_;
  const LossKernels<T>& loss = kernels_.losses[loss_.which];
  const Size O = bricks_.back().O, Y = targets();
  const T scale = T(loss_.exact ? loss_facts[loss_.which].slope_scale(N, O) : 1.0);
  run_parts(parts, [&](int part) {
    const auto [first, last] = share_of(N, part, parts);
    if (first == last) return;
    forward(x, scratch_[std::size_t(part)], first, last);
    loss.backward(dout_.back() + first * O, out_.back() + first * O, y_true + first * Y,
                  weight ? weight + first : nullptr, loss_.options, scale, last - first, O);
    backward(scratch_[std::size_t(part)], first, last);
  });
  const auto for_each_affine = [&](auto f) {
    run_parts(parts, [&](int part) {
      for (std::size_t i = first_learning_; i < bricks_.size(); ++i) {
        if (bricks_[i].is_affine()) f(i, part);
      }
    });
  };
  set_rates(lr_factor, 1);
  for_each_affine([&](std::size_t i, int part) { learn(i, i ? out_[i - 1] : x, N, part, parts); });
  if (std::isfinite(clip_norm_)) {
    set_rates(lr_factor, clip_scale(clip_norm_, gradient_sum_of_squares(parts)));
    for_each_affine([&](std::size_t i, int part) { update(i, part, parts); });
  }
  ++optimizer_.step;
  return loss.forward(out_.back(), y_true, weight, loss_.options, N, O);
}

// Rows first ... last - 1 of every brick's output.
template <class T>
void TrainingProgram<T>::forward(const T* x, T* scratch, Size first, Size last) {
  for (std::size_t i = 0; i < bricks_.size(); ++i) {
    const Brick<T>& brick = bricks_[i];
    forward_brick(kernels_, brick, out_[i] + first * brick.O, x + first * brick.I, scratch,
                  last - first);
    x = out_[i];
  }
}

// The same rows of the gradient of every affine's output.
template <class T>
void TrainingProgram<T>::backward(T* scratch, Size first, Size last) {
  const Size N = last - first;
  for (std::size_t i = bricks_.size() - 1; i > first_learning_; --i) {
    const Brick<T>& brick = bricks_[i];
    T* dout = dout_[i] + first * brick.O;
    T* dx = dout_[i - 1] + first * brick.I;
    if (brick.is_affine()) {
      kernels_.matmul_nt(dx, dout, brick.w.value, scratch, N, brick.I, brick.O);
    } else {
      const bool keeps_out = activation_facts[brick.activation].kept[0] == 'o';
      const T* kept = out_[keeps_out ? i : i - 1] + first * brick.O;
      kernels_.activations[brick.activation].backward(dx, dout, kept, brick.setting, N * brick.O);
    }
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
    if (!bricks_[i].is_affine()) continue;
    w_rates_[i] = rates_of(bricks_[i].w);
    b_rates_[i] = rates_of(bricks_[i].b);
  }
}

// The gradient of this part's rows of w, and, for the first part, of b. They are stored, or used at
// once.
template <class T>
void TrainingProgram<T>::learn(std::size_t i, const T* x, Size N, int part, int parts) {
  const Brick<T>& brick = bricks_[i];
  const T* dout = dout_[i];
  T* scratch = scratch_[std::size_t(part)];
  const Size I = brick.I, O = brick.O;
  const auto [first, last] = share_of(I, part, parts, cache_line);
  for (Size row = first; row < last; row += rows_at_once) {
    const Size rows = std::min(rows_at_once, last - row);
    T* dw = stored_dw_[i] ? stored_dw_[i] + row * O : dw_[std::size_t(part)];
    kernels_.matmul_tn(dw, x + row, dout, scratch, N, rows, O, I);
    if (!stored_dw_[i]) apply(brick.w, dw, w_rates_[i], row * O, rows * O);
  }
  if (part > 0) return;
  T* db = stored_db_[i] ? stored_db_[i] : db_;
  kernels_.column_sums(db, dout, N, O);
  if (!stored_db_[i]) apply(brick.b, db, b_rates_[i], 0, O);
}

// Of all stored gradients: each array's sum, added in the order of the arrays.
template <class T>
double TrainingProgram<T>::gradient_sum_of_squares(int parts) {
  run_parts(parts, [&](int part) {
    for (std::size_t array = std::size_t(part); array < sums_of_squares_.size();
         array += std::size_t(parts)) {
      const Brick<T>& brick = bricks_[array / 2];
      const bool is_w = array % 2 == 0;
      const T* grad = is_w ? stored_dw_[array / 2] : stored_db_[array / 2];
      const Size size = is_w ? brick.I * brick.O : brick.O;
      sums_of_squares_[array] = grad ? kernels_.sum_of_squares(grad, size) : 0;
    }
  });
  double sum = 0;
  for (const double array : sums_of_squares_) sum += array;
  return sum;
}

// This part's share of w, and the first part's b, from their stored gradients.
template <class T>
void TrainingProgram<T>::update(std::size_t i, int part, int parts) {
  const Brick<T>& brick = bricks_[i];
  const auto [first, last] = share_of(brick.I * brick.O, part, parts, cache_line);
  apply(brick.w, stored_dw_[i] + first, w_rates_[i], first, last - first);
  if (part == 0) apply(brick.b, stored_db_[i], b_rates_[i], 0, brick.O);
}

// Entries first ... first + n - 1 of a param; grad (n).
template <class T>
void TrainingProgram<T>::apply(const Param<T>& param, const T* grad, const Rates<T>& rates,
                               Size first, Size n) {
  const auto from_first = [&](T* array) { return array ? array + first : nullptr; };
  kernels_.updates[optimizer_.which](param.value + first, from_first(param.states[0]),
                                     from_first(param.states[1]), grad, rates, n);
}

template class TrainingProgram<float>;
template class TrainingProgram<double>;

namespace {

template <class T>
Size widest(const std::vector<Brick<T>>& bricks) {
  Size width = 0;
  for (const Brick<T>& brick : bricks) width = std::max(width, brick.O);
  return width;
}

// How many rows go through the network at a time. Few, so that what lies between two bricks stays
// in the cache; but wide weights are packed anew for every block, and so want more.
Size rows_at_a_time(Size width) { return width <= 96 ? 64 : 256; }

}  // namespace

template <class T>
Size predict_scratch(const Kernels<T>& kernels, const std::vector<Brick<T>>& bricks) {
  const Size width = widest(bricks);
  return kernels.scratch_size + 2 * rows_at_a_time(width) * width;
}

template <class T>
void predict(const Kernels<T>& kernels, const std::vector<Brick<T>>& bricks, T* out, const T* x,
             T* scratch, Size N) {
  const Size width = widest(bricks), most_rows = rows_at_a_time(width);
  T* here = scratch + kernels.scratch_size;
  T* there = here + most_rows * width;
  for (Size n = 0; n < N; n += most_rows) {
    const Size rows = std::min(most_rows, N - n);
    const T* brick_x = x + n * bricks.front().I;
    for (std::size_t i = 0; i < bricks.size(); ++i) {
      const bool is_last = i + 1 == bricks.size();
      T* brick_out = is_last ? out + n * bricks.back().O : here;
      forward_brick(kernels, bricks[i], brick_out, brick_x, scratch, rows);
      brick_x = brick_out;
      std::swap(here, there);
    }
  }
}

template Size predict_scratch(const Kernels<float>&, const std::vector<Brick<float>>&);
template Size predict_scratch(const Kernels<double>&, const std::vector<Brick<double>>&);
template void predict(const Kernels<float>&, const std::vector<Brick<float>>&, float*, const float*,
                      float*, Size);
template void predict(const Kernels<double>&, const std::vector<Brick<double>>&, double*,
                      const double*, double*, Size);

}  // namespace handnn
