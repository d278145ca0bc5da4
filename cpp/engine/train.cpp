#include "engine/train.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <new>

#include "engine/shuffle.hpp"

namespace handnn {

namespace {

using Clock = std::chrono::steady_clock;

double seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

// Calls `interrupted` about every 50 ms. The clock is read about once a millisecond: reading it at
// every step would slow down the smallest networks by a tenth.
template <class T>
class Interruptions {
 public:
  Interruptions(TrainingProgram<T>& program, const std::function<bool()>& interrupted,
                double rows_per_step)
      : program_(program),
        interrupted_(interrupted),
        steps_per_look_(1 + Size(2e7 / (program.work_per_row() * rows_per_step + 1e3))) {}

  // The number of steps until the next look at the clock, at least 1.
  Size steps_left() const { return steps_per_look_ - steps_; }

  // To be called after each step, or after up to steps_left() of them.
  bool now(Size steps) {
    steps_ += steps;
    if (steps_ < steps_per_look_) return false;
    steps_ = 0;
    const Clock::time_point now = Clock::now();
    if (seconds(now - last_) < 0.05) return false;
    last_ = now;
    program_.finish_steps();
    return interrupted_();
  }

 private:
  TrainingProgram<T>& program_;
  const std::function<bool()>& interrupted_;
  Size steps_per_look_, steps_ = 0;
  Clock::time_point last_ = Clock::now();
};

// The rows of a batch: gathered into a contiguous buffer in shuffled order, or used in place if
// their order is that of the data, as that of a single row is.
template <class T>
class Batches {
 public:
  Batches(const Rows<T>& rows, const BatchSampler& sampler, Size I, Size Y)
      : rows_(rows), sampler_(sampler), I_(I), Y_(Y) {
    if (!sampler.seed) return;
    order_.resize(std::size_t(sampler.replacement ? sampler.rows_per_epoch : rows.count));
    const Size most_rows = std::min(sampler.batch_size, sampler.rows_per_epoch);
    for (int pass = 0; pass < 2; ++pass) {
      x_ = arena_.take<T>(most_rows, I);
      y_true_ = arena_.take<T>(most_rows, Y);
      weight_ = arena_.take<T>(most_rows);
      if (pass == 0) arena_.commit();
    }
  }

  void begin_epoch(std::uint64_t epoch) {
    if (!sampler_.seed) return;
    if (sampler_.replacement) {
      draw_rows(order_.data(), sampler_.rows_per_epoch, rows_.count, *sampler_.seed, epoch);
    } else {
      shuffle_rows(order_.data(), rows_.count, *sampler_.seed, epoch);
    }
  }

  // The batches of N rows from row `start` of the epoch on, without weights.
  SmallBatches<T> from(Size start, Size N) const {
    if (order_.empty()) return {rows_.x + start * I_, rows_.y_true + start * Y_, nullptr, N};
    return {rows_.x, rows_.y_true, order_.data() + start, N};
  }

  Rows<T> batch(Size start, Size N) {
    if (order_.empty() || N == 1) {
      const Size row = row_at(start);
      return {rows_.x + row * I_, rows_.y_true + row * Y_,
              rows_.weight ? rows_.weight + row : nullptr, N};
    }
    for (Size n = 0; n < N; ++n) {
      const Size row = order_[std::size_t(start + n)];
      std::memcpy(x_ + n * I_, rows_.x + row * I_, std::size_t(I_) * sizeof(T));
      std::memcpy(y_true_ + n * Y_, rows_.y_true + row * Y_, std::size_t(Y_) * sizeof(T));
      if (rows_.weight) weight_[n] = rows_.weight[row];
    }
    return {x_, y_true_, rows_.weight ? weight_ : nullptr, N};
  }

  // The x of one row.
  const T* x(Size start) const { return rows_.x + row_at(start) * I_; }

 private:
  Size row_at(Size start) const { return order_.empty() ? start : order_[std::size_t(start)]; }

  const Rows<T>& rows_;
  const BatchSampler& sampler_;
  Size I_, Y_;
  std::vector<Size> order_;
  Arena arena_;
  T *x_ = nullptr, *y_true_ = nullptr, *weight_ = nullptr;
};

// Leaves the params in their bricks in the end.
template <class T>
struct Finish {
  TrainingProgram<T>& program;
  ~Finish() { program.finish_steps(); }
};

// Reserves memory for one more epoch, or returns false: an exception would lose the count of steps.
bool has_room(std::vector<EpochResult>& epochs) {
  try {
    if (epochs.size() == epochs.capacity()) epochs.reserve(2 * epochs.size() + 1);
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

}  // namespace

template <class T>
TrainingResult train(TrainingProgram<T>& program, const Rows<T>& rows, const BatchSampler& sampler,
                     const TrainingSpan& span, const double* lr_factors,
                     const std::function<bool()>& interrupted, T* outputs,
                     const std::function<double()>& measure) {
  const Size count = sampler.rows_per_epoch;
  const Size batch_size = std::min(sampler.batch_size, count);
  Batches<T> batches(rows, sampler, program.inputs(), program.targets());
  const Finish<T> finish{program};
  Interruptions interruptions(program, interrupted, double(batch_size));
  const bool is_small =
      !rows.weight && !lr_factors && !outputs && program.takes_small_steps(batch_size);
  TrainingResult result;
  Size first_row = span.first_step * batch_size;
  result.total = span.total;
  Clock::time_point start = Clock::now();
  for (Size epoch = 0; epoch < span.epochs; ++epoch) {
    result.lacks_memory = !has_room(result.epochs);
    if (result.lacks_memory) return result;
    batches.begin_epoch(span.first_epoch + std::uint64_t(epoch));
    bool stops = false;
    Size rows_done = 0;
    for (Size first = first_row; first < count; first += rows_done) {
      const Size N = rows_done = std::min(batch_size, count - first);
      if (is_small) {
        const Size most = std::min((count - first) / N, interruptions.steps_left());
        const Size steps = program.small_steps(batches.from(first, N), most, result.total);
        result.steps += steps;
        if (!std::isfinite(result.total)) return result;
        rows_done = steps * N;
        stops = interruptions.now(steps);
        if (stops && first + rows_done < count) return result;
        continue;
      }
      const Range local = program.local_rows(N);
      const Size local_count = local.last - local.first;
      const Rows<T> batch = batches.batch(first + local.first, local_count);
      const double factor = lr_factors ? lr_factors[result.steps] : 1;
      T* const batch_outputs =
          outputs ? outputs + (first + local.first) * program.columns() : nullptr;
      const T* const next_x = N == 1 && first + 1 < count ? batches.x(first + 1) : nullptr;
      result.total = program.is_sharded()
                         ? program.sharded_step(batch, N, factor, batch_outputs, result.total)
                         : program.step(batch, factor, batch_outputs, result.total, next_x);
      if (!std::isfinite(result.total)) return result;
      ++result.steps;
      stops = interruptions.now(1) || program.is_to_stop();
      if (stops && first + N < count) return result;
    }
    if (measure) program.finish_steps();
    const double held_out = measure ? measure() : 0;
    const Clock::time_point end = Clock::now();
    result.epochs.push_back({result.total / double(count), seconds(end - start), held_out});
    start = end;
    result.total = 0;
    first_row = 0;
    if (stops || !std::isfinite(held_out)) return result;
  }
  return result;
}

#define HANDNN_FOR(T)                                                                             \
  template TrainingResult train(TrainingProgram<T>&, const Rows<T>&, const BatchSampler&,         \
                                const TrainingSpan&, const double*, const std::function<bool()>&, \
                                T*, const std::function<double()>&);
HANDNN_FOR(float)
HANDNN_FOR(double)
#undef HANDNN_FOR

}  // namespace handnn
