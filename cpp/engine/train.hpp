// The training loop: epochs, batches and steps, until done or interrupted.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "engine/program.hpp"

namespace handnn {

// How the rows of each epoch are drawn and cut into batches.
struct BatchSampler {
  Size batch_size;
  Size rows_per_epoch;                // at most the rows of the data, unless with replacement
  std::optional<std::uint64_t> seed;  // determines the order; without one, it is that of the data
  bool replacement;

  // The number of batches in an epoch, for rows_per_epoch >= 1 and batch_size >= 1.
  Size steps() const { return (rows_per_epoch - 1) / batch_size + 1; }
};

// The epochs that one call trains. The first may have been interrupted: its first_step steps are
// done, and `total` is the sum of their losses, each times its rows.
struct TrainingSpan {
  Size epochs;
  std::uint64_t first_epoch;  // its number, which determines the order of its rows
  Size first_step = 0;
  double total = 0;
};

struct EpochResult {
  double loss, seconds;
  double held_out = 0;  // what `measure` returned after it
};

struct TrainingResult {
  std::vector<EpochResult> epochs;  // the complete epochs
  Size steps = 0;                   // including those of an unfinished epoch
  double total = 0;                 // sum of that epoch's losses, each times its rows; else 0
  bool lacks_memory = false;        // whether training ended because memory ran out
};

// Trains for span.epochs epochs. lr_factors, if not null, has a factor of the learning rate for
// each step. `interrupted` is called about every 50 ms, between two steps; training ends when it
// returns true. Training also ends at the first loss that makes `total` NaN or infinite: that step
// changes no param and is not counted. `outputs`, if not null, is (rows_per_epoch, columns of the
// last brick) and receives the outputs that the losses of an epoch are computed from, batch by
// batch. `measure`, if not null, returns the loss of held-out rows: it is called after each epoch,
// and training ends when it is not finite.
template <class T>
TrainingResult train(TrainingProgram<T>& program, const Rows<T>& rows, const BatchSampler& sampler,
                     const TrainingSpan& span, const double* lr_factors,
                     const std::function<bool()>& interrupted, T* outputs = nullptr,
                     const std::function<double()>& measure = nullptr);

}  // namespace handnn
