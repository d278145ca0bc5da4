// A network as one program: a list of bricks, run forward, backward and updated without asking
// anyone.
//
// The arrays of the Python bricks are the program's arrays: w, b and the optimizer's velocities are
// read and updated where they lie. What a step computes on its way lies in one arena.
#pragma once

#include <vector>

#include "engine/arena.hpp"
#include "kernels/table.hpp"

namespace handnn {

enum class BrickKind { affine, relu, sigmoid };

// A brick and its arrays. Affine: w (I, O), b (O), and their velocities or null. The others: I = O.
template <class T>
struct Brick {
  BrickKind kind;
  Size I = 0, O = 0;
  T* w = nullptr;
  T* b = nullptr;
  T* w_velocity = nullptr;
  T* b_velocity = nullptr;
};

// MSELoss and its gradient, exact or the article's.
struct LossSettings {
  bool exact;
};

struct SgdSettings {
  double lr, momentum, weight_decay;
  bool nesterov;
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
template <class T>
class TrainingProgram {
 public:
  // For steps of up to most_rows rows.
  TrainingProgram(const Kernels<T>& kernels, std::vector<Brick<T>> bricks, LossSettings loss,
                  SgdSettings sgd, Size most_rows);

  // One step on N rows: x (N, I), y_true (N, O), weight (N) or null. The loss before the update.
  double step(const T* x, const T* y_true, const T* weight, Size N);

  Size inputs() const { return bricks_.front().I; }
  Size outputs() const { return bricks_.back().O; }

  // What a step costs for each row, in multiply-adds.
  double work_per_row() const { return work_per_row_; }

 private:
  void lay_out();
  void forward(const T* x, T* scratch, Size first, Size last);
  void backward(T* scratch, Size first, Size last);
  void learn(const Brick<T>& brick, const T* x, const T* dout, Size N, int part, int parts);

  const Kernels<T>& kernels_;
  std::vector<Brick<T>> bricks_;
  LossSettings loss_;
  SgdSettings sgd_;
  Size most_rows_;
  int threads_;
  double work_per_row_ = 0;
  std::size_t first_learning_ = 0;  // the gradient needs to reach no brick before this one
  Arena arena_;
  std::vector<T*> out_;  // out_[i] (most_rows, O): the output of brick i
  std::vector<T*>
      dout_;         // dout_[i] (most_rows, O): its gradient; of an affine and what follows it, one
  T* db_ = nullptr;  // the widest b
  // One for each thread: they need not be at the same brick.
  std::vector<T*> scratch_;
  std::vector<T*> dw_;  // rows_at_once rows of the largest w of all
};

extern template class TrainingProgram<float>;
extern template class TrainingProgram<double>;

}  // namespace handnn
