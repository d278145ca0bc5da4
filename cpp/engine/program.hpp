// The training of a network as one program: a list of bricks, run forward and backward and updated
// without calling back into Python.
//
// The program works on the arrays of the Python bricks: params, running statistics and optimizer
// states are read and updated in place. The intermediate arrays of a step lie in one arena.
#pragma once

#include <functional>
#include <limits>
#include <optional>
#include <vector>

#include "engine/arena.hpp"
#include "engine/checked.hpp"
#include "engine/pool.hpp"
#include "engine/rates.hpp"
#include "engine/sharing.hpp"
#include "engine/small_plan.hpp"
#include "kernels/table.hpp"

namespace handnn {

// x (count, I), y_true (count, Y), weight (count) or null.
template <class T>
struct Rows {
  const T* x;
  const T* y_true;
  const T* weight;
  Size count;
};

// `which` is an index into loss_facts. Without `exact`, MSELoss has the gradient of the article.
template <class T>
struct LossSettings {
  int which = 0;
  LossOptions<T> options;
  bool exact = true;
};

// How a batch is summed in slices, by several processes if `sum` is given.
//
// A batch of N rows is cut by position into `shards` slices. Its gradient and its loss are sums of
// the slices in one fixed binary tree: a node [first, last) of several slices is the sum of its
// halves, cut at (first + last) / 2, and a node without rows is left out. A slice is summed like a
// batch, and counts in proportion to its rows.
template <class T>
struct Sharding {
  Size shards = 1;
  Range mine = {0, 1};                       // the slices that this process computes
  std::vector<Range> nodes = {Range{0, 1}};  // the nodes that consist of them
  // For several processes; P entries are the gradients of all params one after another.
  T* shares = nullptr;       // (nodes, P)
  double* values = nullptr;  // (nodes): their parts of the loss
  const T* total = nullptr;  // (P): the gradient of the batch, after `sum`
  // Sums the nodes of all processes for a batch of N rows, and sets its loss. Returns whether to
  // stop after this step, or nothing if that failed.
  std::function<std::optional<bool>(Size N, double& loss)> sum;
  // For each BatchNorm in the middle of a step, forward and backward, with O columns:
  T* column_shares = nullptr;  // (nodes, 2, O): mean and var, or dgamma and dbeta
  T* column_total = nullptr;   // (2, O): those of the batch, after `sum_columns`
  // Combines the nodes of all processes for a batch of N rows. Returns whether that succeeded.
  std::function<bool(Size N, Size O, bool are_statistics)> sum_columns;

  bool is_used() const { return shards > 1 || sum; }
  Size first_row(Size slice, Size N) const { return slice * N / shards; }
  Range rows_of(Range node, Size N) const {
    return {first_row(node.first, N), first_row(node.last, N)};
  }
};

// A step has two halves. Threads share each of them and synchronize only at its end:
//
//   by rows      forward through all bricks, the gradient of the loss, and back to the gradient of
//                each learning brick's output: rows are independent
//   by weights   the gradient of each brick's params, a sum over all rows, and the update: params
//                are independent
//
// A BatchNorm needs all rows of a column. So the first half stops at each one, forward and
// backward, and the threads share its columns. Of a batch in slices, its statistics and the sums of
// its backward are those of the slices, combined in the tree.
//
// If the arrays of a large batch do not fit into the cache and are larger than the params, the
// program works in blocks of rows: both halves for one block after the other. Gradients are
// stored, and each block's chains continue those of the block before, so the blocks do not change
// any bit.
//
// Clipping the norm of all gradients needs every gradient before the first update. Then they are
// stored, and a third part of the step updates.
template <class T>
class TrainingProgram {
 public:
  // For steps of up to most_rows rows, each shared among `threads` threads; 0 means all of the
  // pool. A program with little work per step uses one thread.
  TrainingProgram(const Kernels<T>& kernels, CheckedBricks<T> bricks, LossSettings<T> loss,
                  OptimizerSettings optimizer, double clip_norm, Size most_rows, int threads = 0,
                  Sharding<T> sharding = {});

  // One step on up to most_rows rows. lr_factor multiplies the learning rate. Returns `total` plus
  // the loss before the update, times the rows; if that is not finite, nothing is updated.
  // `outputs`, if not null, is (batch.count, columns()) and receives the outputs from before it.
  // next_x (I), if not null, is the batch of the next step, and forward may begin with it.
  double step(const Rows<T>& batch, double lr_factor = 1, T* outputs = nullptr, double total = 0,
              const T* next_x = nullptr);

  // One step on a batch of N rows that ranks share; `batch` holds the local_rows(N) rows of this
  // one, and `outputs` theirs.
  double sharded_step(const Rows<T>& batch, Size N, double lr_factor, T* outputs, double total);

  // Whether small_steps takes steps on batches of N rows.
  bool takes_small_steps(Size N) const;

  // Takes up to `steps` steps on batches of rows without weights, and adds the loss of each, times
  // its rows, to `total`, until that is not finite. Returns the number of steps before that.
  Size small_steps(const SmallBatches<T>& batches, Size steps, double& total);

  // To be called after steps, before anything else reads or writes params or states.
  void finish_steps();

  bool is_sharded() const { return sharding_.is_used(); }

  // The rows of a batch of N rows that this process computes.
  Range local_rows(Size N) const {
    return is_sharded() ? sharding_.rows_of(sharding_.mine, N) : Range{0, N};
  }

  // Whether any process requested a stop after the last step.
  bool is_to_stop() const { return is_to_stop_; }

  Size inputs() const { return bricks_.inputs(); }
  Size targets() const { return loss_.options.columns; }

  Size columns() const { return bricks_.outputs(); }

  // The cost of a step per row, in multiply-adds.
  double work_per_row() const { return work_per_row_; }

 private:
  // Rows of w are distributed in groups that share cache lines of x.
  static constexpr Size cache_line = 16;

  // The largest number of rows of w that are computed and used at a time, while their gradient is
  // in the cache.
  static constexpr Size rows_at_once = 256;
  static Size gradient_rows(Size N, Size O);

  void lay_out();
  void lay_out_gradients();
  bool forward_and_backward(const Rows<T>& batch, int parts);
  Size choose_block_rows() const;
  bool is_blocked() const { return block_rows_ > 0; }
  void run_blocks(const Rows<T>& batch, int parts);
  bool adds_loss() const;
  bool keeps_last() const;
  bool replaces_last() const;
  void loss_backward(const Rows<T>& batch, Range rows);
  double loss_of(const Rows<T>& batch);
  bool is_joined(std::size_t i) const;
  bool keeps_slope(std::size_t i) const;
  void forward_rows(std::size_t i, int part, Range rows);
  void backward_rows(std::size_t i, int part, Range rows);
  void affine_dx(std::size_t i, int part, Range rows);
  bool forward_norm(std::size_t i, Size N, int parts);
  bool backward_norm(std::size_t i, Size N, int parts);
  bool sum_norm_statistics(std::size_t i, int parts);
  bool sum_norm_gradients(std::size_t i, bool needs_dx, int parts);
  void update_running_statistics(std::size_t i, Range columns);
  void set_rates(double lr_factor, double grad_scale);
  SmallBatches<T> set_rates_of(SmallBatches<T> batches, Size& steps);
  bool may_take_small_steps() const;
  bool is_small_affine(Size N) const;
  void plan_small_steps();
  Size plan_steps(const SmallBatches<T>& batches, Size steps, double& total);
  template <class F>
  void for_each_learning(int parts, F f);
  void learn(std::size_t i, Size N, int part, int parts, bool adds = false);
  void learn_affine(std::size_t i, Size N, int part, int parts, bool adds);
  void learn_binned_affine(std::size_t i, Size N, int part, int parts);
  void learn_bias(std::size_t i, Size N, bool adds);
  void embedding_dw(std::size_t i, T* dw, Range of, Range codes) const;
  void learn_from_few_rows(std::size_t i, Size N, Range rows);
  bool learns_row(Size N, int parts) const;
  bool forwards_next_row() const;
  void forward_row(const Rows<T>& batch);
  void backward_and_learn_row(const T* next_x);
  void learn_node(std::size_t i, Range node, T* gradient, int part, int parts);
  std::optional<double> loss_of(Range node, const Rows<T>& batch) const;
  Range local_rows_of(Range node) const;
  template <class F, class G>
  bool combine_slices(Range node, T* out, Size n, T* more, const F& compute,
                      const G& combine) const;
  template <class F>
  bool sum_slices(Range node, T* out, Size n, T* more, const F& compute) const;
  double gradient_sum_of_squares(int parts);
  void update(std::size_t i, int part, int parts);
  void apply(const Param<T>& param, const T* grad, const Rates<T>& rates, Size first, Size n);
  std::uint64_t step_of(const Brick<T>& brick) const { return brick.first_step + steps_; }
  const T* input(std::size_t i) const { return i ? output(i - 1) : x_; }
  const T* output(std::size_t i) const { return out_[i] ? out_[i] : x_; }
  // The factor of the gradient of the loss of a batch of N rows, not in slices.
  T scale_of(Size N) const {
    return T(loss_.exact ? loss_facts[loss_.which].slope_scale(N, bricks_.outputs()) : 1.0);
  }
  bool is_worth_sharing(Size rows) const;
  bool stores() const;

  const Kernels<T>& kernels_;
  CheckedBricks<T> bricks_;
  LossSettings<T> loss_;
  // The partial sums of the loss, if its value and its gradient are computed in one pass.
  alignas(64) double loss_sums_[partial_sums] = {};
  bool is_loss_added_ = false;
  OptimizerSettings optimizer_;
  double clip_norm_;  // infinity for none
  Size most_rows_;
  int threads_;
  Sharing sharing_;
  Size block_rows_ = 0;  // rows of a block; 0 for none
  double work_per_row_ = 0;
  std::size_t first_learning_ = 0;  // backward stops at this brick
  std::uint64_t steps_ = 0;         // the number of steps taken
  Size batch_rows_ = 0;             // rows of the whole batch, including those of other processes
  Size first_row_ = 0;              // the index in it of the first local row
  const T* x_ = nullptr;            // the input of the step or block
  T* outputs_ = nullptr;            // receives its outputs; null if they are not wanted
  const T* forwarded_ = nullptr;    // the x whose output of the first brick is there, or null
  Arena arena_;
  // out_[i] (most_rows, O): the output of brick i; null for x itself, and for embeddings before
  // another one
  std::vector<T*> out_;
  // dout_[i] (most_rows, O): its gradient; bricks in place share one, and embeddings the last one's
  std::vector<T*> dout_;
  std::vector<Signs*> negative_;   // of the input of a joined ReLU
  std::vector<T*> mean_, spread_;  // mean and rstd of layer_norm, mean and var of batch_norm
  std::vector<Rates<T>> w_rates_, b_rates_;
  // Those of the rates; NaN, which equals nothing, before the first step.
  double lr_factor_ = std::numeric_limits<double>::quiet_NaN(), grad_scale_ = lr_factor_;
  BiasCorrection correction_;
  bool are_rates_final_ = false;              // whether bias corrections no longer change
  std::vector<CorrectedRates<T>> corrected_;  // those of small steps, from first_corrected_ on
  std::uint64_t first_corrected_ = 0;
  T* db_ = nullptr;  // the widest b of an affine
  // One for each thread.
  std::vector<T*> scratch_;
  std::vector<T*> dw_;  // rows_at_once rows of the largest w of all affines
  // One for each brick that stores gradients: all bricks but affines, or all if the norm is clipped
  // or the program works in blocks.
  std::vector<T*> stored_dw_, stored_db_;
  std::vector<double> sums_of_squares_;
  std::optional<SmallPlan<T>> small_plan_;  // if it takes the small steps
  // For slices only.
  Sharding<T> sharding_;
  bool is_to_stop_ = false;
  Size n_params_ = 0;
  std::vector<Size> offsets_;  // where the gradients of each brick begin
  T* total_ = nullptr;         // (n_params): all gradients; stored_dw_ and stored_db_ point into it
  std::vector<T*> partial_;    // one for each thread: sums of slices, one for each level
};

// Calls f(i, part) for each brick that learns and each part.
template <class T>
template <class F>
void TrainingProgram<T>::for_each_learning(int parts, F f) {
  run_parts(parts, [&](int part) {
    for (std::size_t i = first_learning_; i < bricks_.size(); ++i) {
      if (bricks_[i].learns()) f(i, part);
    }
  });
}

// Combines the slices of a node into out (n) in the order of the tree. compute(rows, out) computes
// a slice from some local rows, and combine(out, more, rows, more_rows) adds the slices in `more`
// to those in `out`. `more` has n entries for each level below. Returns whether the node has rows;
// if not, out is unchanged.
template <class T>
template <class F, class G>
bool TrainingProgram<T>::combine_slices(Range node, T* out, Size n, T* more, const F& compute,
                                        const G& combine) const {
  const Range rows = local_rows_of(node);
  if (rows.first == rows.last) return false;
  if (node.last - node.first == 1) {
    compute(rows, out);
    return true;
  }
  const Size middle = (node.first + node.last) / 2;
  const Range left = {node.first, middle}, right = {middle, node.last};
  if (!combine_slices(left, out, n, more, compute, combine)) {
    return combine_slices(right, out, n, more, compute, combine);
  }
  if (combine_slices(right, more, n, more + n, compute, combine)) {
    const Size border = local_rows_of(right).first;
    combine(out, more, border - rows.first, rows.last - border);
  }
  return true;
}

extern template class TrainingProgram<float>;
extern template class TrainingProgram<double>;

}  // namespace handnn
