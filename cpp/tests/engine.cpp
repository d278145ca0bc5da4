// The engine: training gives the same bits for any number of threads and on any instruction set,
// and its steps allocate no memory.
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <new>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/pool.hpp"
#include "engine/predict.hpp"
#include "run.hpp"
#include "training.hpp"

namespace {

std::atomic<long> allocations = 0;

void* allocated(std::size_t size, std::size_t alignment) {
  ++allocations;
  void* memory = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (!memory) throw std::bad_alloc();
  return memory;
}

}  // namespace

// All other forms of new and delete call these.
void* operator new(std::size_t size) { return allocated(size ? size : 1, alignof(max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocated(size, std::size_t(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace handnn {
namespace {

// The checksum is the same on every machine and every instruction set with FMA.
template <class T>
constexpr std::uint64_t expected_checksum =
    sizeof(T) == 4 ? 0x9dc9f6766c481ab3 : 0x130f80245ab31848;

template <class T>
void check_training(const char* dtype) {
  const std::string isa = active_isa().name;
  std::set<std::uint64_t> checksums;
  for (int threads : {1, 2, 3, 7, 2, 1}) {
    set_num_threads(threads);
    Training<T> training;
    const std::vector<EpochResult> results = training.train(5);
    check(results.size() == 5 && results[4].loss < results[0].loss, "it learns");
    checksums.insert(training.checksum());
  }
  std::set<std::uint64_t> clipped;
  for (int threads : {1, 2, 3}) {
    set_num_threads(threads);
    Training<T> training;
    training.train(5, 0.5);
    clipped.insert(training.checksum());
  }
  check(clipped.size() == 1 && clipped != checksums, "a clipped norm depends on the threads");
  check(checksums.size() == 1, std::string(dtype) + ": weights depend on the number of threads");
  const std::uint64_t checksum = *checksums.begin();
  std::printf("%-4s %s: checksum of the trained weights %016llx\n", isa.c_str(), dtype,
              static_cast<unsigned long long>(checksum));
  check(isa == "v2" || checksum == expected_checksum<T>, std::string(dtype) + ": other weights");
}

template <class T>
void check_prediction(const char* dtype) {
  Training<T> training;
  training.train(1);
  const Kernels<T>& kernels = active_kernels<T>();
  const CheckedBricks<T> bricks(training.bricks);
  std::vector<T> scratch(size_t(predict_scratch(kernels, bricks)));
  std::vector<T> at_once(100 * 7), one_by_one(100 * 7);
  predict(kernels, bricks, at_once.data(), training.x.data(), scratch.data(), 100);
  for (Size row = 0; row < 100; ++row) {
    predict(kernels, bricks, one_by_one.data() + row * 7, training.x.data() + row * 600,
            scratch.data(), 1);
  }
  check(at_once == one_by_one, std::string(dtype) + ": rows predicted together and one by one");
}

// Resuming an epoch after two steps gives the weights of an uninterrupted epoch, and the outputs of
// the steps taken.
template <class T>
void check_going_on(const char* dtype) {
  Training<T> whole, parts;
  const Size rows = Training<T>::rows, batch_size = Training<T>::batch_size;
  std::vector<T> outputs(size_t(rows) * 7), later(size_t(rows) * 7);
  const auto train_rows = [&](Training<T>& training, Size rows_per_epoch, TrainingSpan span,
                              std::vector<T>& out) {
    TrainingProgram<T> program(active_kernels<T>(), CheckedBricks<T>(training.bricks),
                               training.mse_loss(), nesterov(),
                               std::numeric_limits<double>::infinity(), batch_size);
    return train<T>(
        program, {training.x.data(), training.y.data(), nullptr, rows},
        {batch_size, rows_per_epoch, 7, false}, span, nullptr, [] { return false; }, out.data());
  };
  const TrainingResult all = train_rows(whole, rows, {1, 0}, outputs);
  const TrainingResult first = train_rows(parts, 2 * batch_size, {1, 0}, later);
  const double total = first.epochs[0].loss * double(2 * batch_size);
  const TrainingResult second = train_rows(parts, rows, {1, 0, 2, total}, later);
  check(first.steps == 2 && second.steps == all.steps - 2, std::string(dtype) + ": steps");
  check(whole.checksum() == parts.checksum(), std::string(dtype) + ": resuming an epoch");
  check(outputs == later, std::string(dtype) + ": the outputs of an epoch");
  check(std::abs(second.epochs[0].loss / all.epochs[0].loss - 1) < 1e-12, "the loss of an epoch");
}

// A loss that is not finite ends training with the weights from before its step.
template <class T>
void check_divergence(const char* dtype) {
  for (const T wrong : {std::numeric_limits<T>::infinity(), std::numeric_limits<T>::quiet_NaN()}) {
    Training<T> good, bad;
    bad.y[size_t(Training<T>::batch_size) * 7] = wrong;  // in the second batch
    TrainingProgram<T> diverging(active_kernels<T>(), CheckedBricks<T>(bad.bricks), bad.mse_loss(),
                                 nesterov(), std::numeric_limits<double>::infinity(),
                                 Training<T>::batch_size);
    const TrainingResult result =
        train<T>(diverging, {bad.x.data(), bad.y.data(), nullptr, Training<T>::rows},
                 {Training<T>::batch_size, Training<T>::rows, std::nullopt, false}, {2, 0}, nullptr,
                 [] { return false; });
    check(result.steps == 1 && result.epochs.empty() && !std::isfinite(result.total),
          std::string(dtype) + ": a loss that is not finite");
    TrainingProgram<T> program(active_kernels<T>(), CheckedBricks<T>(good.bricks), good.mse_loss(),
                               nesterov(), std::numeric_limits<double>::infinity(),
                               Training<T>::batch_size);
    program.step({good.x.data(), good.y.data(), nullptr, Training<T>::batch_size});
    check(good.checksum() == bad.checksum(), std::string(dtype) + ": an update after it");
  }
}

// A network of one or more affines, whose params and states are `arrays`. If it is plain, there are
// no states and no weight decay.
template <class T>
std::vector<Brick<T>> small_bricks(const std::vector<Size>& sizes, int activation, bool is_plain,
                                   std::vector<std::vector<T>>& arrays) {
  arrays.clear();
  const auto param = [&](Size n, std::uint64_t seed) {
    Param<T> of;
    for (int k = 0; k < (is_plain ? 1 : 3); ++k) {
      arrays.push_back(k == 0 ? numbers<T>(n, seed) : std::vector<T>(std::size_t(n), 0));
      (k == 0 ? of.value : of.states[k - 1]) = arrays.back().data();
    }
    of.size = n;
    of.weight_decay = is_plain ? 0 : 0.001;
    return of;
  };
  std::vector<Brick<T>> bricks;
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
    Brick<T> affine, next;
    affine.kind = Kind::affine;
    affine.I = sizes[i];
    affine.O = next.I = next.O = sizes[i + 1];
    affine.w = param(affine.I * affine.O, 22 + i);
    affine.b = param(affine.O, 32 + i);
    if (sizes.size() == 2 && !is_plain) affine.b.lr_scale = 0.5;
    next.activation = activation;
    next.setting = T(0.1);
    bricks.push_back(affine);
    if (i + 2 < sizes.size()) bricks.push_back(next);
  }
  return bricks;
}

// Widths of 1 and 2 beside widths of up to 4 or 9.
std::vector<Size> tiny_sizes(SplitMix64& random) {
  const std::uint64_t most = random.below(3) ? 4 : 9;
  const std::size_t first = random.below(2), count = 2 + random.below(4);
  std::vector<Size> sizes;
  while (sizes.size() < count) {
    sizes.push_back(1 + Size(random.below((first + sizes.size()) % 2 ? most : 2)));
  }
  return sizes;
}

// 1 to 4 affines whose widths are all 1.
std::vector<Size> thin_sizes(SplitMix64& random) {
  return std::vector<Size>(2 + std::size_t(random.below(4)), 1);
}

// Steps of small networks in few calls give the bits of those of rows with weights of 1, which are
// taken one by one.
template <class T>
void check_small_steps(const char* dtype) {
  SplitMix64 random(5);
  const auto size = [&](std::uint64_t most) { return 1 + Size(random.below(most)); };
  for (int i = 0; i < 160; ++i) {
    const bool is_tiny = i % 8 == 0;               // and the loss is MSELoss
    const bool is_thin = i % 8 == 3;               // and the loss is MSELoss
    const bool is_plain = is_tiny || i % 16 == 3;  // the optimizer is SGD without momentum
    const auto which = [&](int count) { return (is_thin ? i / 16 : i) % count; };
    const std::uint64_t most_rows = is_tiny ? 5 : is_thin && i % 32 > 15 ? 150 : 17;
    const Size batch_size = size(most_rows), rows = is_thin ? 200 : 40;
    std::vector<Size> sizes = {size(i % 4 ? 17 : 33), size(9)};
    while (sizes.size() < 5 && i % 4 > 1 && random.below(3)) sizes.push_back(size(17));
    if (is_tiny) sizes = tiny_sizes(random);
    if (is_thin) sizes = thin_sizes(random);
    const Size I = sizes.front(), O = sizes.back();
    const std::vector<T> x = numbers<T>(rows * I, 20), y = numbers<T>(rows * O, 21), ones(rows, 1);
    OptimizerSettings optimizer;
    optimizer.which = is_plain ? int(Optimizer::sgd) : which(optimizer_count);
    optimizer.lr = 0.01;
    optimizer.mean_decay = is_plain ? 0 : i % 3 * 0.01;
    optimizer.square_decay = i % 8 < 4 ? 0.9 : 0.05;  // corrections are 1 after 395 or 14 steps
    optimizer.eps = 0.01;
    LossSettings<T> loss = Training<T>::mse_loss();
    loss.options.columns = O;
    std::vector<T> labels(y);
    if (i / 4 % 2) {
      loss.which = int(Loss::softmax_cross_entropy);
      loss.options.columns = 1;
      for (T& label : labels) label = T(random.below(std::uint64_t(O)));
    }
    std::set<std::vector<T>> results;
    for (const T* weight : {static_cast<const T*>(nullptr), ones.data()}) {
      std::vector<std::vector<T>> arrays;
      const int activation = is_tiny ? int(Activation::relu) : which(activation_count);
      TrainingProgram<T> program(
          active_kernels<T>(), CheckedBricks<T>(small_bricks(sizes, activation, is_plain, arrays)),
          loss, optimizer, std::numeric_limits<double>::infinity(), batch_size);
      const std::optional<std::uint64_t> seed =
          i % 5 ? std::optional<std::uint64_t>(7) : std::nullopt;
      const TrainingResult result =
          train<T>(program, {x.data(), labels.data(), weight, rows},
                   {batch_size, rows, seed, false}, {3, 0}, nullptr, [] { return false; });
      std::vector<T> all;
      for (const EpochResult& epoch : result.epochs) all.push_back(T(epoch.loss));
      for (const std::vector<T>& array : arrays) all.insert(all.end(), array.begin(), array.end());
      results.insert(all);
    }
    check(results.size() == 1, std::string(dtype) + ": small steps in few calls and one by one");
  }
}

template <class T>
void check_allocations(const char* dtype) {
  for (int threads : {1, 3}) {
    for (const double clip_norm : {std::numeric_limits<double>::infinity(), 0.5}) {
      set_num_threads(threads);
      Training<T> training;
      training.train(1);  // starts the threads
      TrainingProgram<T> program(active_kernels<T>(), CheckedBricks<T>(training.bricks),
                                 training.mse_loss(), nesterov(), clip_norm,
                                 Training<T>::batch_size);
      const auto allocated_by = [&](Size batch_size) {
        const long before = allocations;
        train<T>(program, {training.x.data(), training.y.data(), nullptr, Training<T>::rows},
                 {batch_size, Training<T>::rows, 7, false}, {1, 0}, nullptr, [] { return false; });
        return allocations - before;
      };
      const long for_few_steps = allocated_by(40), for_many = allocated_by(2);
      check(for_few_steps > 0, "allocations are counted");
      check(for_many == for_few_steps, std::string(dtype) + ": a step allocates");
      const long before = allocations;
      for (int step = 0; step < 5; ++step) {
        program.step({training.x.data(), training.y.data(), nullptr, Training<T>::batch_size});
      }
      const bool allocated_none = allocations == before;
      check(allocated_none, std::string(dtype) + ": a shared step allocates");
    }
  }
}

}  // namespace
}  // namespace handnn

int run(const char*, int, char**) {
  using namespace handnn;
  check_training<float>("float32");
  check_training<double>("float64");
  check_prediction<float>("float32");
  check_prediction<double>("float64");
  check_going_on<float>("float32");
  check_going_on<double>("float64");
  check_divergence<float>("float32");
  check_divergence<double>("float64");
  check_small_steps<float>("float32");
  check_small_steps<double>("float64");
  check_allocations<float>("float32");
  check_allocations<double>("float64");
  return !good;
}
