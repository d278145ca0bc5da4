// The loop of training: epochs, batches, steps, until done or interrupted.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "engine/program.hpp"

namespace handnn {

// x (rows, I), y_true (rows, Y), weight (rows) or null.
template <class T>
struct Rows {
  const T* x;
  const T* y_true;
  const T* weight;
  Size count;
};

struct Schedule {
  Size epochs, batch_size;
  std::optional<std::uint64_t>
      seed;                   // of the order of the rows; without it they stay as they stand
  std::uint64_t first_epoch;  // its number: it goes into the order, too
  Size rows_per_epoch;        // at most as many as there are, unless rows are replaced
  bool replaces;              // draws a row from all of them every time
  const double* lr_factors = nullptr;  // one for each step, or null for 1
  Size first_step = 0;                 // of the first epoch: those before it have been taken,
  double total = 0;                    // and this is what they added to its loss
};

struct EpochResult {
  double loss, seconds;
};

struct TrainingResult {
  std::vector<EpochResult> epochs;  // the whole ones
  Size steps;                       // also those of an epoch that was interrupted
  double total;                     // of that epoch's losses, each times its rows; 0 without one
};

// Trains for schedule.epochs epochs. `interrupted` is asked about every 50 ms, between two steps;
// on true training ends there. It also ends at the first loss that is NaN or infinite: so is then
// `total`, and that step is not counted, for nothing was learnt in it. `outputs`, if not null, is
// (rows_per_epoch, columns of the last brick): what the losses of an epoch were of, batch by batch.
template <class T>
TrainingResult train(TrainingProgram<T>& program, const Rows<T>& rows, const Schedule& schedule,
                     const std::function<bool()>& interrupted, T* outputs = nullptr);

}  // namespace handnn
