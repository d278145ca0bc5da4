// A network in training as one program: a list of bricks, run forward, backward and updated without
// asking anyone.
//
// The arrays of the Python bricks are the program's arrays: params, running statistics and the
// optimizer's states are read and updated where they lie. What a step computes on its way lies in
// one arena.
#pragma once

#include <limits>
#include <vector>

#include "engine/arena.hpp"
#include "engine/brick.hpp"
#include "engine/pool.hpp"
#include "engine/rates.hpp"
#include "kernels/table.hpp"

namespace handnn {

// The loss with this number in the table. Its gradient is exact, or, of MSELoss, the article's.
template <class T>
struct LossSettings {
  int which = 0;
  LossOptions<T> options;
  bool exact = true;
};

// A step has two halves, each shared among the threads, and each thread meets the others only at
// their ends:
//
//   by rows      forward through all bricks, the loss's gradient, and back through all bricks, to
//                the gradient of every output that a brick learns from: a row needs no other row
//   by weights   each brick's weight gradient, which sums over all rows, and its update: a weight
//                needs no other weight
//
// A BatchNorm needs all rows of a column, but no other column. So the first half stops at each, on
// the way forward and on the way back, and the columns are shared among the threads.
//
// Where the norm of all gradients is clipped, no weight can be updated before every gradient is
// there. Then they are stored, and a third part of the step updates.
template <class T>
class TrainingProgram {
 public:
  // For steps of up to most_rows rows, each shared among `threads` threads; 0 means all of the
  // pool. A program with little work per step uses one thread.
  TrainingProgram(const Kernels<T>& kernels, std::vector<Brick<T>> bricks, LossSettings<T> loss,
                  OptimizerSettings optimizer, double clip_norm, Size most_rows, int threads = 0);

  // One step on N rows: x (N, I), y_true (N, Y), weight (N) or null. lr_factor is the schedule's.
  // The loss before the update, which is left out if that is NaN or infinite.
  double step(const T* x, const T* y_true, const T* weight, Size N, double lr_factor = 1);

  Size inputs() const { return bricks_.front().I; }
  Size targets() const { return loss_.options.columns; }

  // What the last step's loss was of: (N, columns()), before the update.
  const T* outputs() const { return output(bricks_.size() - 1); }
  Size columns() const { return bricks_.back().O; }

  // What a step costs for each row, in multiply-adds.
  double work_per_row() const { return work_per_row_; }

 private:
  void lay_out();
  void forward_rows(std::size_t i, int part, Size first, Size last);
  void backward_rows(std::size_t i, int part, Size first, Size last);
  void forward_columns(std::size_t i, Size N, Size first, Size last);
  void backward_columns(std::size_t i, Size N, Size first, Size last);
  void set_rates(double lr_factor, double grad_scale);
  void learn(std::size_t i, Size N, int part, int parts);
  void learn_affine(std::size_t i, Size N, int part, int parts);
  double gradient_sum_of_squares(int parts);
  void update(std::size_t i, int part, int parts);
  void apply(const Param<T>& param, const T* grad, const Rates<T>& rates, Size first, Size n);
  std::uint64_t step_of(const Brick<T>& brick) const { return brick.first_step + steps_; }
  const T* input(std::size_t i) const { return i ? output(i - 1) : x_; }
  const T* output(std::size_t i) const { return out_[i] ? out_[i] : x_; }
  bool is_worth_sharing(Size rows) const;
  bool stores() const;

  const Kernels<T>& kernels_;
  std::vector<Brick<T>> bricks_;
  LossSettings<T> loss_;
  OptimizerSettings optimizer_;
  double clip_norm_;  // infinity for none
  Size most_rows_;
  int threads_;
  double work_per_row_ = 0;
  std::size_t first_learning_ = 0;  // the gradient needs to reach no brick before this one
  std::uint64_t steps_ = 0;         // taken so far
  const T* x_ = nullptr;            // of the step
  Arena arena_;
  std::vector<T*> out_;   // out_[i] (most_rows, O): the output of brick i; null for x itself
  std::vector<T*> dout_;  // dout_[i] (most_rows, O): its gradient; bricks in place share one
  std::vector<T*> mean_, spread_;  // a layer_norm's mean, rstd of rows, a batch_norm's mean, var
  std::vector<Rates<T>> w_rates_, b_rates_;
  T* db_ = nullptr;  // the widest b of an affine
  // One for each thread: they need not be at the same brick.
  std::vector<T*> scratch_;
  std::vector<T*> dw_;  // rows_at_once rows of the largest w of all affines
  // One for each brick whose gradients are stored: all but those of affines, unless norms are
  // clipped.
  std::vector<T*> stored_dw_, stored_db_;
  std::vector<double> sums_of_squares_;
};

extern template class TrainingProgram<float>;
extern template class TrainingProgram<double>;

}  // namespace handnn
