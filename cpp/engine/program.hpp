// A network as one program: a list of bricks, run forward, backward and updated without asking
// anyone.
//
// The arrays of the Python bricks are the program's arrays: w, b and the optimizer's velocities are
// read and updated where they lie. What a step computes on its way lies in one arena.
#pragma once

#include <limits>
#include <vector>

#include "engine/arena.hpp"
#include "engine/rates.hpp"
#include "kernels/table.hpp"

namespace handnn {

// An array that is learnt, the states that the optimizer keeps for it, each of them or null, and
// what it is learnt with: a factor of the learning rate, and its weight decay.
template <class T>
struct Param {
  T* value = nullptr;
  T* states[2] = {};
  double lr_scale = 1, weight_decay = 0;
};

// A brick and its arrays. Affine: w (I, O), b (O). An activation has none, and I = O: it is the one
// with this number in the table.
template <class T>
struct Brick {
  Size I = 0, O = 0;
  int activation = 0;
  T setting = 0;
  Param<T> w, b;

  bool is_affine() const { return w.value; }
};

// The loss with this number in the table. Its gradient is exact, or, of MSELoss, the article's.
template <class T>
struct LossSettings {
  int which = 0;
  LossOptions<T> options;
  bool exact = true;
};

// out (N, O of the last brick) = the network's output for x (N, I of the first).
// Runs in blocks of rows, so that what lies between two bricks stays in the cache. scratch
// (predict_scratch) is what it works in.
template <class T>
void predict(const Kernels<T>& kernels, const std::vector<Brick<T>>& bricks, T* out, const T* x,
             T* scratch, Size N);

template <class T>
Size predict_scratch(const Kernels<T>& kernels, const std::vector<Brick<T>>& bricks);

// A step has two halves, each shared among the threads, and each thread meets the others only at
// their ends:
//
//   by rows      forward through all bricks, the loss's gradient, and back through all bricks, to
//                the gradient of every affine's output: a row needs no other row
//   by weights   each affine's weight gradient, which sums over all rows, and its update: a weight
//                needs no other weight
//
// Where the norm of all gradients is clipped, no weight can be updated before every gradient is
// there. Then they are stored, and a third part of the step updates.
template <class T>
class TrainingProgram {
 public:
  // For steps of up to most_rows rows.
  TrainingProgram(const Kernels<T>& kernels, std::vector<Brick<T>> bricks, LossSettings<T> loss,
                  OptimizerSettings optimizer, double clip_norm, Size most_rows);

  // One step on N rows: x (N, I), y_true (N, Y), weight (N) or null. lr_factor is the schedule's.
  // The loss before the update.
  double step(const T* x, const T* y_true, const T* weight, Size N, double lr_factor = 1);

  Size inputs() const { return bricks_.front().I; }
  Size targets() const { return loss_.options.columns; }

  // What a step costs for each row, in multiply-adds.
  double work_per_row() const { return work_per_row_; }

 private:
  void lay_out();
  void forward(const T* x, T* scratch, Size first, Size last);
  void backward(T* scratch, Size first, Size last);
  void set_rates(double lr_factor, double grad_scale);
  void learn(std::size_t i, const T* x, Size N, int part, int parts);
  double gradient_sum_of_squares(int parts);
  void update(std::size_t i, int part, int parts);
  void apply(const Param<T>& param, const T* grad, const Rates<T>& rates, Size first, Size n);

  const Kernels<T>& kernels_;
  std::vector<Brick<T>> bricks_;
  LossSettings<T> loss_;
  OptimizerSettings optimizer_;
  double clip_norm_;  // infinity for none
  Size most_rows_;
  int threads_;
  double work_per_row_ = 0;
  std::size_t first_learning_ = 0;  // the gradient needs to reach no brick before this one
  Arena arena_;
  std::vector<T*> out_;  // out_[i] (most_rows, O): the output of brick i
  std::vector<T*>
      dout_;  // dout_[i] (most_rows, O): its gradient; of an affine and what follows it, one
  std::vector<Rates<T>> w_rates_, b_rates_;
  T* db_ = nullptr;  // the widest b
  // One for each thread: they need not be at the same brick.
  std::vector<T*> scratch_;
  std::vector<T*> dw_;  // rows_at_once rows of the largest w of all
  // One for each brick, where gradients are stored.
  std::vector<T*> stored_dw_, stored_db_;
  std::vector<double> sums_of_squares_;
};

extern template class TrainingProgram<float>;
extern template class TrainingProgram<double>;

}  // namespace handnn
