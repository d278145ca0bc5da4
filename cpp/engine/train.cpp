#include "engine/train.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "engine/shuffle.hpp"

namespace handnn {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Asks `interrupted` about every 50 ms. The clock is read once a millisecond or so: reading it at
// every step would cost the smallest networks a tenth of their speed.
class Interruptions {
 public:
  Interruptions(const std::function<bool()>& interrupted, double work_per_step)
      : interrupted_(interrupted), steps_per_look_(1 + Size(2e7 / (work_per_step + 1e3))) {}

  bool now() {
    if (++steps_ < steps_per_look_) return false;
    steps_ = 0;
    if (seconds_since(last_) < 0.05) return false;
    last_ = Clock::now();
    return interrupted_();
  }

 private:
  const std::function<bool()>& interrupted_;
  Size steps_per_look_, steps_ = 0;
  Clock::time_point last_ = Clock::now();
};

// The rows of a batch, side by side: gathered in the order of the epoch, or in place without one.
template <class T>
class Batches {
 public:
  Batches(const Rows<T>& rows, Size I, Size Y, Size batch_size, Size drawn, bool gathers)
      : rows_(rows), I_(I), Y_(Y), order_(gathers ? std::size_t(drawn) : 0) {
    if (!gathers) return;
    for (int pass = 0; pass < 2; ++pass) {
      x_ = arena_.take<T>(batch_size * I);
      y_true_ = arena_.take<T>(batch_size * Y);
      weight_ = arena_.take<T>(batch_size);
      if (pass == 0) arena_.commit();
    }
  }

  Size* order() { return order_.data(); }

  Rows<T> batch(Size start, Size N) {
    if (order_.empty()) {
      return {rows_.x + start * I_, rows_.y_true + start * Y_,
              rows_.weight ? rows_.weight + start : nullptr, N};
    }
    for (Size n = 0; n < N; ++n) {
      const Size row = order_[std::size_t(start + n)];
      std::memcpy(x_ + n * I_, rows_.x + row * I_, std::size_t(I_) * sizeof(T));
      std::memcpy(y_true_ + n * Y_, rows_.y_true + row * Y_, std::size_t(Y_) * sizeof(T));
      if (rows_.weight) weight_[n] = rows_.weight[row];
    }
    return {x_, y_true_, rows_.weight ? weight_ : nullptr, N};
  }

 private:
  const Rows<T>& rows_;
  Size I_, Y_;
  std::vector<Size> order_;
  Arena arena_;
  T *x_ = nullptr, *y_true_ = nullptr, *weight_ = nullptr;
};

}  // namespace

template <class T>
TrainingResult train(TrainingProgram<T>& program, const Rows<T>& rows, const Schedule& schedule,
                     const std::function<bool()>& interrupted, T* outputs) {
  const Size count = schedule.rows_per_epoch;
  const Size batch_size = std::min(schedule.batch_size, count);
  Batches<T> batches(rows, program.inputs(), program.targets(), batch_size,
                     schedule.replaces ? count : rows.count, schedule.seed.has_value());
  Interruptions interruptions(interrupted, program.work_per_row() * double(batch_size));
  TrainingResult result = {{}, 0, 0};
  Size first_row = schedule.first_step * batch_size;
  result.total = schedule.total;
  for (Size epoch = 0; epoch < schedule.epochs; ++epoch) {
    const Clock::time_point start = Clock::now();
    const std::uint64_t number = schedule.first_epoch + std::uint64_t(epoch);
    if (schedule.seed && schedule.replaces) {
      draw_rows(batches.order(), count, rows.count, *schedule.seed, number);
    } else if (schedule.seed) {
      shuffle_rows(batches.order(), rows.count, *schedule.seed, number);
    }
    bool stops = false;
    for (Size first = first_row; first < count; first += batch_size) {
      const Size N = std::min(batch_size, count - first);
      const Rows<T> batch = batches.batch(first, N);
      const double factor = schedule.lr_factors ? schedule.lr_factors[result.steps] : 1;
      result.total += double(N) * program.step(batch.x, batch.y_true, batch.weight, N, factor);
      if (!std::isfinite(result.total)) return result;
      if (outputs) {
        const Size O = program.columns();
        std::memcpy(outputs + first * O, program.outputs(), std::size_t(N * O) * sizeof(T));
      }
      ++result.steps;
      stops = interruptions.now();
      if (stops && first + N < count) return result;
    }
    result.epochs.push_back({result.total / double(count), seconds_since(start)});
    result.total = 0;
    first_row = 0;
    if (stops) return result;
  }
  return result;
}

template TrainingResult train(TrainingProgram<float>&, const Rows<float>&, const Schedule&,
                              const std::function<bool()>&, float*);
template TrainingResult train(TrainingProgram<double>&, const Rows<double>&, const Schedule&,
                              const std::function<bool()>&, double*);

}  // namespace handnn
