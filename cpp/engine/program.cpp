#include "engine/program.hpp"

#include <algorithm>
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
  switch (brick.kind) {
    case BrickKind::affine:
      return kernels.affine_forward(out, x, brick.w, brick.b, scratch, N, brick.I, brick.O);
    case BrickKind::relu:
      return kernels.relu_forward(out, x, N * brick.O);
    case BrickKind::sigmoid:
      return kernels.sigmoid_forward(out, x, N * brick.O);
  }
}

}  // namespace

template <class T>
TrainingProgram<T>::TrainingProgram(const Kernels<T>& kernels, std::vector<Brick<T>> bricks,
                                    LossSettings loss, SgdSettings sgd, Size most_rows)
    : kernels_(kernels),
      bricks_(std::move(bricks)),
      loss_(loss),
      sgd_(sgd),
      most_rows_(most_rows),
      threads_(num_threads()) {
  while (!bricks_[first_learning_].w) ++first_learning_;
  for (const Brick<T>& brick : bricks_) {
    work_per_row_ += brick.w ? 3.0 * double(brick.I) * double(brick.O) : 8.0 * double(brick.O);
  }
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
  for (const Brick<T>& brick : bricks_) {
    out_.push_back(arena_.take<T>(most_rows_ * brick.O));
    // What changes entries one by one does so in place on the way back.
    dout_.push_back(brick.w || dout_.empty() ? arena_.take<T>(most_rows_ * brick.O) : dout_.back());
    widest = std::max(widest, brick.O);
    if (brick.w) most_weights = std::max(most_weights, std::min(rows_at_once, brick.I) * brick.O);
  }
  db_ = arena_.take<T>(widest);
  for (int i = 0; i < threads_; ++i) {
    scratch_.push_back(arena_.take<T>(kernels_.scratch_size));
    dw_.push_back(arena_.take<T>(most_weights));
  }
}

template <class T>
double TrainingProgram<T>::step(const T* x, const T* y_true, const T* weight, Size N) {
  const int parts = work_per_row_ * double(N) < worth_sharing ? 1 : threads_;
  const Size O = outputs();
  const T scale = T(loss_.exact ? 2.0 / double(N * O) : 1.0);
  run_parts(parts, [&](int part) {
    const auto [first, last] = share_of(N, part, parts);
    if (first == last) return;
    forward(x, scratch_[std::size_t(part)], first, last);
    kernels_.mse_loss_backward(dout_.back() + first * O, out_.back() + first * O,
                               y_true + first * O, weight ? weight + first : nullptr, scale,
                               last - first, O);
    backward(scratch_[std::size_t(part)], first, last);
  });
  run_parts(parts, [&](int part) {
    for (std::size_t i = first_learning_; i < bricks_.size(); ++i) {
      if (!bricks_[i].w) continue;
      learn(bricks_[i], i == 0 ? x : out_[i - 1], dout_[i], N, part, parts);
    }
  });
  return kernels_.mse_loss_forward(out_.back(), y_true, weight, N, O);
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
    switch (brick.kind) {
      case BrickKind::affine:
        kernels_.matmul_nt(dx, dout, brick.w, scratch, N, brick.I, brick.O);
        break;
      case BrickKind::relu:
        kernels_.relu_backward(dx, dout, out_[i - 1] + first * brick.I, N * brick.O);
        break;
      case BrickKind::sigmoid:
        kernels_.sigmoid_backward(dx, dout, out_[i] + first * brick.O, N * brick.O);
        break;
    }
  }
}

// This part's rows of w, and the first part's b.
template <class T>
void TrainingProgram<T>::learn(const Brick<T>& brick, const T* x, const T* dout, Size N, int part,
                               int parts) {
  T* scratch = scratch_[std::size_t(part)];
  T* dw = dw_[std::size_t(part)];
  const T lr = T(sgd_.lr), momentum = T(sgd_.momentum), weight_decay = T(sgd_.weight_decay);
  const Size I = brick.I, O = brick.O;
  const auto [first, last] = share_of(I, part, parts, cache_line);
  for (Size row = first; row < last; row += rows_at_once) {
    const Size rows = std::min(rows_at_once, last - row);
    T* velocity = brick.w_velocity ? brick.w_velocity + row * O : nullptr;
    kernels_.matmul_tn(dw, x + row, dout, scratch, N, rows, O, I);
    kernels_.sgd_update(brick.w + row * O, velocity, dw, lr, momentum, weight_decay, sgd_.nesterov,
                        rows * O);
  }
  if (part > 0) return;
  kernels_.column_sums(db_, dout, N, O);
  kernels_.sgd_update(brick.b, brick.b_velocity, db_, lr, momentum, T(0), sgd_.nesterov, O);
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
