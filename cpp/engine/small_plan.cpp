#include "engine/small_plan.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

namespace handnn {

namespace {

// The largest product that small_network takes, in multiply-adds, and its most rows; these hold for
// tiny_steps, too, unless activations and loss are the simplest. Measured, as that thin_steps takes
// longer for one row, and for two rows of one layer.
constexpr Size most_of_kernel = 64, most_rows_of_kernel = 4;

// The rows that are copied at once for thin_steps, if their order is not that of the data.
constexpr Size most_in_order = 512;

constexpr Size line = 16;  // elements: arrays do not share a cache line

SmallActivation kind_of(int activation) {
  switch (Activation(activation)) {
    case Activation::relu:
      return SmallActivation::relu;
    case Activation::sigmoid:
      return SmallActivation::sigmoid;
    case Activation::gelu:
      return SmallActivation::gelu;
    default:
      return SmallActivation::other;
  }
}

}  // namespace

template <class T>
bool is_small_network(const CheckedBricks<T>& bricks) {
  const Param<T>& first = bricks[0].w;
  for (std::size_t i = 0; i < bricks.size(); ++i) {
    const Brick<T>& brick = bricks[i];
    if (std::max(brick.I, brick.O) > small_width || std::min(brick.I, brick.O) < 1) return false;
    if (i % 2 == 1) {
      if (brick.kind != Kind::activation) return false;
      continue;
    }
    if (brick.kind != Kind::affine || !brick.learns()) return false;
    for (const Param<T>* param : {&brick.w, &brick.b}) {
      if (param->lr_scale != first.lr_scale || param->weight_decay != first.weight_decay) {
        return false;
      }
    }
  }
  return bricks.size() % 2 == 1 && bricks.size() < 2 * small_layers;
}

template <class T>
bool is_thin_network(const Kernels<T>& kernels, const CheckedBricks<T>& bricks, int loss) {
  if (!kernels.small_network.thin_steps[0] || loss != int(Loss::mse_loss)) return false;
  return std::all_of(bricks.begin(), bricks.end(), [](const Brick<T>& brick) {
    const bool is_known =
        brick.kind != Kind::activation || kind_of(brick.activation) != SmallActivation::other;
    return is_known && brick.I == 1 && brick.O == 1;
  });
}

template <class T>
SmallPlan<T>::SmallPlan(const Kernels<T>& kernels, const CheckedBricks<T>& bricks, int loss,
                        const LossOptions<T>& options, const OptimizerSettings& optimizer,
                        Size most_rows, T* scratch)
    : kernels_(kernels), bricks_(bricks) {
  net_.count = int(bricks.size() + 1) / 2;
  net_.loss = &kernels.losses[loss];
  net_.options = &options;
  net_.is_mse = loss == int(Loss::mse_loss);
  net_.are_labels = are_plain_labels(loss, options);
  net_.sums = sums_;
  net_.scratch = scratch;
  if (!is_plain_sgd(optimizer)) net_.update = kernels.updates[optimizer.which];
  is_thin_ = most_rows * net_.count > 2 && most_rows > 1 && is_thin_network(kernels, bricks, loss);
  steps_ = is_thin_ ? kernels.small_network.thin_steps[net_.count - 1] : find_tiny_steps(most_rows);
  is_tiny_ = steps_;
  if (!is_tiny_) steps_ = find_steps(most_rows);
  is_thin_ ? lay_out(1, std::max(most_rows, most_in_order)) : lay_out(most_rows, most_rows);
}

// Whether the optimizer is SGD without momentum, weight decay and clipping.
template <class T>
bool SmallPlan<T>::is_plain_sgd(const OptimizerSettings& optimizer) const {
  const Param<T>& first = bricks_[0].w;
  return optimizer.which == int(Optimizer::sgd) && optimizer.mean_decay == 0 && !first.states[0] &&
         first.weight_decay == 0 && std::isinf(optimizer.clip_value);
}

// The kernel that takes the steps of this network, or null.
template <class T>
NetworkSteps<T> SmallPlan<T>::find_steps(Size most_rows) const {
  const bool is_common = net_.is_mse || net_.are_labels;
  if (most_rows > (is_common ? most_rows_of_kernel : 1)) return nullptr;
  for (int i = 0; i < net_.count; ++i) {
    if (most_rows * affine(i).w.size > most_of_kernel) return nullptr;
  }
  return kernels_.small_network.steps;
}
template <class T>
NetworkSteps<T> SmallPlan<T>::find_tiny_steps(Size most_rows) const {
  if (net_.update || !(net_.is_mse || net_.are_labels)) return nullptr;
  if (most_rows * bricks_.outputs() > tiny_entries) return nullptr;
  bool has_one = true, is_plain = net_.is_mse;
  for (int i = 0; i < net_.count; ++i) {
    const auto [few, many] = std::minmax(affine(i).I, affine(i).O);
    if (many > kernels_.small_network.lanes || few > tiny_rows) return nullptr;
    has_one = has_one && few == 1;
    if (i == 0) continue;
    const SmallActivation kind = kind_of(bricks_[std::size_t(2 * i - 1)].activation);
    if (kind == SmallActivation::other) return nullptr;
    is_plain = is_plain && kind == SmallActivation::relu;
  }
  if (!is_plain && most_rows > most_rows_of_kernel) return nullptr;
  return kernels_.small_network.tiny_steps[net_.count - 1][has_one][is_plain];
}

template <class T>
void SmallPlan<T>::load() {
  if (!is_loaded_) copy(false);
  is_loaded_ = true;
}
template <class T>
void SmallPlan<T>::save() {
  if (is_loaded_) copy(true);
  is_loaded_ = false;
}

// Places all arrays in one block of memory: first the params, then their gradients and states.
template <class T>
void SmallPlan<T>::lay_out(Size most_rows, Size rows_in_order) {
  const Size lanes = steps_ ? kernels_.small_network.lanes : 1;
  const auto whole = [&](Size entries) { return (entries + lanes + line - 1) / line * line; };
  const auto rows = [&](Size O) { return whole(most_rows * O); };
  const Size x_size = whole(rows_in_order * bricks_.inputs()),
             y_size = whole(rows_in_order * net_.options->columns);
  Size n = x_size + y_size, size = 0;
  for (int i = 0; i < net_.count; ++i) {
    SmallLayer<T>& layer = net_.layers[i];
    layer.I = affine(i).I;
    layer.O = affine(i).O;
    layer.is_column = steps_ && layer.O < layer.I;
    const Size row = layer.is_column ? layer.I : layer.O;
    layer.row = (row + lanes - 1) / lanes * lanes;
    size += (affine(i).w.size / row + 1) * layer.row;
    // Rows of whole vectors need not wait for stores of the rows beside them, but the arithmetic of
    // other activations takes longer than that.
    layer.apart = layer.O;
    const bool is_last = i + 1 == net_.count;
    if (steps_ && (is_last || bricks_[std::size_t(2 * i + 1)].is_relu())) {
      layer.apart = (layer.O + lanes - 1) / lanes * lanes;
    }
    n += 4 * rows(layer.apart);
  }
  size = (size + line - 1) / line * line;
  n += 4 * size;
  memory_.resize(std::size_t(n + line));
  params_ = memory_.data();
  while (reinterpret_cast<std::uintptr_t>(params_) % (line * sizeof(float))) ++params_;
  net_.size = size;
  net_.params = params_;
  for (int k = 0; k < 2; ++k) {
    if (bricks_[0].w.states[k]) net_.states[k] = params_ + (2 + k) * size;
  }
  T* next = params_ + 4 * size;
  x_ = std::exchange(next, next + x_size);
  y_true_ = std::exchange(next, next + y_size);
  const auto take = [&](Size O) { return std::exchange(next, next + rows(O)); };
  T* w = params_;
  for (int i = 0; i < net_.count; ++i) {
    SmallLayer<T>& layer = net_.layers[i];
    layer.w = w;
    layer.b = w + affine(i).w.size / (layer.is_column ? layer.I : layer.O) * layer.row;
    w = layer.b + layer.row;
    layer.dw = layer.w + size;
    layer.db = layer.b + size;
    layer.pre = take(layer.apart);
    layer.out = take(layer.apart);
    layer.dout = take(layer.apart);
    layer.slope = take(layer.apart);
    layer.kept = layer.pre;
    if (i + 1 == net_.count) break;
    const Brick<T>& next_brick = bricks_[std::size_t(2 * i + 1)];
    layer.activation = &kernels_.activations[next_brick.activation];
    layer.kind = kind_of(next_brick.activation);
    layer.setting = next_brick.setting;
    if (activation_facts[next_brick.activation].kept == Kept::out) layer.kept = layer.out;
  }
}

// Copies the params and the states from the bricks, or back.
template <class T>
void SmallPlan<T>::copy(bool is_back) {
  const auto one = [&](T& of_brick, T& own) { is_back ? of_brick = own : own = of_brick; };
  const auto both = [&](const SmallLayer<T>& layer, T* w, T* b, Size offset) {
    if (!w) return;
    const Size down = layer.is_column ? 1 : layer.row, right = layer.is_column ? layer.row : 1;
    for (Size r = 0; r < layer.I; ++r) {
      for (Size c = 0; c < layer.O; ++c) {
        one(w[r * layer.O + c], layer.w[offset + r * down + c * right]);
      }
    }
    for (Size c = 0; c < layer.O; ++c) one(b[c], layer.b[offset + c]);
  };
  for (int i = 0; i < net_.count; ++i) {
    const Brick<T>& of = affine(i);
    both(net_.layers[i], of.w.value, of.b.value, 0);
    for (int k = 0; k < 2; ++k) {
      both(net_.layers[i], of.w.states[k], of.b.states[k], (2 + k) * net_.size);
    }
  }
}

// The batches from number `first` on, in their order: their rows are copied if it is another one.
template <class T>
SmallBatches<T> SmallPlan<T>::in_order(const SmallBatches<T>& batches, Size first, Size steps) {
  const Size N = batches.N, I = bricks_.inputs(), Y = net_.options->columns, start = first * N;
  SmallBatches<T> next = {x_, y_true_, nullptr, N};
  if (batches.corrected) next.corrected = batches.corrected + first;
  if (!batches.order) {
    next.x = batches.x + start * I;
    next.y_true = batches.y_true + start * Y;
    return next;
  }
  for (Size n = 0; n < steps * N; ++n) {
    const Size row = batches.order[start + n];
    std::copy_n(batches.x + row * I, I, x_ + n * I);
    std::copy_n(batches.y_true + row * Y, Y, y_true_ + n * Y);
  }
  return next;
}

template <class T>
Size SmallPlan<T>::steps(const SmallBatches<T>& batches, const Rates<T>& rates, T scale, Size steps,
                         double& total) {
  if (!is_thin_ || !batches.order) return steps_(net_, batches, rates, scale, steps, total);
  const Size most = std::max(most_in_order / batches.N, Size(1));
  Size step = 0, taken = 0;
  for (Size n = 0; taken == n && step < steps; step += taken) {
    n = std::min(most, steps - step);
    taken = steps_(net_, in_order(batches, step, n), rates, scale, n, total);
  }
  return step;
}

template <class T>
double SmallPlan<T>::gradients(const SmallBatches<T>& batches, Size step, T scale) {
  const SmallBatches<T> batch = in_order(batches, step, 1);
  const Size N = batch.N;
  const T* in = batch.x;
  for (int i = 0; i < net_.count; ++i) {
    const SmallLayer<T>& of = net_.layers[i];
    kernels_.affine_forward(of.pre, in, of.w, of.b, net_.scratch, N, of.I, of.O);
    if (of.activation) of.activation->forward(of.out, of.pre, of.setting, N * of.O);
    in = of.out;
  }
  const SmallLayer<T>& last = net_.layers[net_.count - 1];
  net_.loss->add_and_backward({sums_, last.dout}, last.pre, batch.y_true, nullptr, *net_.options,
                              scale, N, last.O);
  for (int i = net_.count - 1; i > 0; --i) {
    const SmallLayer<T>&of = net_.layers[i], &below = net_.layers[i - 1];
    kernels_.affine_dparams(of.dw, of.db, of.dout, below.out, net_.scratch, N, of.I, of.O);
    kernels_.matmul_nt(below.dout, of.dout, of.w, net_.scratch, N, of.I, of.O);
    below.activation->backward(below.dout, below.dout, below.kept, below.setting, N * of.I);
  }
  const SmallLayer<T>& first = net_.layers[0];
  kernels_.affine_dparams(first.dw, first.db, first.dout, batch.x, net_.scratch, N, first.I,
                          first.O);
  return net_.loss->mean(sums_, N, last.O);
}

template <class T>
void SmallPlan<T>::update(int optimizer, const Rates<T>& rates) {
  kernels_.updates[optimizer](params_, net_.states[0], net_.states[1], params_ + net_.size, rates,
                              net_.size);
}

#define HANDNN_FOR(T)                                                             \
  template bool is_small_network(const CheckedBricks<T>&);                        \
  template bool is_thin_network(const Kernels<T>&, const CheckedBricks<T>&, int); \
  template class SmallPlan<T>;
HANDNN_FOR(float)
HANDNN_FOR(double)
#undef HANDNN_FOR

}  // namespace handnn
