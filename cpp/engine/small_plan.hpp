// The training of a small network in arrays of its own, whose steps take few calls.
#pragma once

#include <vector>

#include "engine/checked.hpp"
#include "engine/rates.hpp"

namespace handnn {

// The largest number of rows of a batch, unless thin_steps takes its steps.
constexpr Size small_batch = 64;

// Whether the loss is SoftmaxCrossEntropy of labels, without smoothing and class weights.
template <class T>
bool are_plain_labels(int loss, const LossOptions<T>& with) {
  return loss == int(Loss::softmax_cross_entropy) && with.columns == 1 && with.setting == 0 &&
         !with.numbers;
}

// Whether the bricks are a small network: affines that all learn at the same rates, with
// activations between them.
template <class T>
bool is_small_network(const CheckedBricks<T>& bricks);

// Whether thin_steps takes the steps of a small network, on any number of rows.
template <class T>
bool is_thin_network(const Kernels<T>& kernels, const CheckedBricks<T>& bricks, int loss);

template <class T>
class SmallPlan {
 public:
  // For is_small_network(bricks) and a loss with add_and_backward. scratch (brick_scratch).
  SmallPlan(const Kernels<T>& kernels, const CheckedBricks<T>& bricks, int loss,
            const LossOptions<T>& options, const OptimizerSettings& optimizer, Size most_rows,
            T* scratch);

  // Copies the params and the optimizer's states from the bricks, and back.
  void load();
  void save();

  // Whether a kernel takes the steps, and not gradients and update.
  bool has_steps() const { return steps_; }
  // Whether that is tiny_steps or thin_steps.
  bool is_tiny() const { return is_tiny_; }
  // Takes up to `steps` steps, as TrainingProgram's small_steps.
  Size steps(const SmallBatches<T>& batches, const Rates<T>& rates, T scale, Size steps,
             double& total);

  // The loss of batch number `step`. Its gradients, with this factor, are kept for update.
  double gradients(const SmallBatches<T>& batches, Size step, T scale);
  // Updates all params with them; `optimizer` is an index into optimizer_facts.
  void update(int optimizer, const Rates<T>& rates);

 private:
  const Brick<T>& affine(int i) const { return bricks_[std::size_t(2 * i)]; }
  bool is_plain_sgd(const OptimizerSettings& optimizer) const;
  NetworkSteps<T> find_steps(Size most_rows) const;
  NetworkSteps<T> find_tiny_steps(Size most_rows) const;
  SmallBatches<T> in_order(const SmallBatches<T>& batches, Size first, Size steps);
  void lay_out(Size most_rows, Size rows_in_order);
  void copy(bool is_back);

  const Kernels<T>& kernels_;
  const CheckedBricks<T>& bricks_;
  SmallNetwork<T> net_ = {};
  NetworkSteps<T> steps_ = nullptr;
  bool is_tiny_ = false, is_thin_ = false;
  bool is_loaded_ = false;
  std::vector<T> memory_;
  alignas(64) double sums_[partial_sums] = {};
  T* params_ = nullptr;                 // (4, net_.size): params, gradients, the states
  T *x_ = nullptr, *y_true_ = nullptr;  // rows in the order of their batches
};

}  // namespace handnn
