// The engine: its pool of threads, and that a training has the same bits for any number of them and
// on any instruction set, and allocates nothing for a step.
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <new>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "engine/pool.hpp"
#include "engine/predict.hpp"
#include "engine/shuffle.hpp"
#include "engine/train.hpp"
#include "kernels/dispatch.hpp"
#include "run.hpp"

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

bool good = true;

void check(bool holds, const std::string& what) {
  if (holds) return;
  std::printf("FAILED: %s\n", what.c_str());
  good = false;
}

// Whether run_parts does each part once.
bool does_all(int parts) {
  std::vector<std::atomic<int>> times(size_t(parts) + 1);
  run_parts(parts, [&](int part) { ++times[size_t(part)]; });
  bool right = times.back() == 0;
  for (int part = 0; part < parts; ++part) right &= times[size_t(part)] == 1;
  return right;
}

void check_parts() {
  for (int threads : {1, 2, 3, 8, 2, 1, 4}) {
    set_num_threads(threads);
    check(num_threads() == threads, "num_threads is what was set");
    for (int turn = 0; turn < 200; ++turn) {
      for (int parts : {0, 1, 2, 3, 7, 64}) {
        check(does_all(parts), std::to_string(parts) + " parts, " + std::to_string(threads));
      }
    }
  }
  check(does_all(70000), "more parts than the pool can count");
}

void check_exceptions() {
  for (int threads : {1, 3}) {
    set_num_threads(threads);
    for (int thrower = 0; thrower < 6; ++thrower) {
      std::string caught;
      try {
        run_parts(6, [&](int part) {
          if (part == thrower) throw std::runtime_error(std::to_string(part));
        });
      } catch (const std::runtime_error& error) {
        caught = error.what();
      }
      check(caught == std::to_string(thrower), "an exception reaches the caller");
      check(does_all(6), "work after an exception");
    }
  }
}

void check_busy_pool() {
  set_num_threads(3);
  std::atomic<int> inner = 0;
  std::atomic<bool> stays = true;
  run_parts(6, [&](int) {
    const std::thread::id here = std::this_thread::get_id();
    run_parts(5, [&](int) {
      ++inner;
      if (std::this_thread::get_id() != here) stays = false;
    });
  });
  check(inner == 30, "work within work is done");
  check(stays, "work within work stays on its thread");

  // A second caller does not wait for the first, which here waits for the second.
  std::atomic<bool> second_started = false, second_is_done = false;
  bool second_right = false;
  std::thread second;
  run_parts(2, [&](int part) {
    if (part == 0) {
      second = std::thread([&] {
        second_started = true;
        second_right = does_all(9);
        second_is_done = true;
      });
    }
    while (!second_started || !second_is_done) std::this_thread::yield();
  });
  second.join();
  check(second_right, "work beside work is done");

  // Callers in turns, while the number of threads changes.
  std::vector<std::thread> callers;
  std::atomic<bool> all_right = true;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&, caller] {
      for (int turn = 0; turn < 200; ++turn) {
        if (turn % 20 == 0) set_num_threads(1 + (turn / 20 + caller) % 4);
        if (!does_all(5)) all_right = false;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  check(all_right, "callers beside each other");
}

void check_shares() {
  for (Size count : {0, 1, 5, 64, 257, 1000}) {
    for (int parts : {1, 2, 3, 7, 8}) {
      for (Size grain : {1, 16, 256}) {
        Size next = 0;
        for (int part = 0; part < parts; ++part) {
          const auto [first, last] = share_of(count, part, parts, grain);
          check(first == next && last >= first, "shares follow each other");
          check(last % grain == 0 || last == count, "shares are whole grains");
          next = last;
        }
        check(next == count, "shares cover all");
      }
    }
  }
}

// `size` numbers in [-1, 1), exact in both dtypes.
template <class T>
std::vector<T> numbers(Size size, std::uint64_t seed, T scale = 1) {
  SplitMix64 random(seed);
  std::vector<T> drawn(static_cast<size_t>(size));
  for (T& number : drawn) number = (T(random.next() >> 44) / T(1 << 19) - 1) * scale;
  return drawn;
}

// The number of an activation in the table.
int activation(const std::string& name) {
  int which = 0;
  while (activation_facts[which].name != name) ++which;
  return which;
}

OptimizerSettings nesterov() {
  OptimizerSettings sgd;
  while (std::string(optimizer_facts[sgd.which].name) != "sgd") ++sgd.which;
  sgd.lr = 0.05;
  sgd.mean_decay = 0.9;
  sgd.nesterov = true;
  return sgd;
}

// A fixed network, 600-40-30-7 with a ReLU and a Sigmoid, and 100 fixed rows. Wide enough that two
// steps of three, which are of 40 rows, are shared among threads; the third, of 20, is not.
template <class T>
class Training {
 public:
  static constexpr Size rows = 100, batch_size = 40;

  Training() {
    const Size sizes[] = {600, 40, 30, 7};
    for (std::uint64_t i = 0; i < 3; ++i) {
      const Size I = sizes[i], O = sizes[i + 1];
      arrays_[4 * i] = numbers<T>(I * O, i, T(0.125));
      arrays_[4 * i + 1] = numbers<T>(O, i + 10);
      arrays_[4 * i + 2].assign(size_t(I * O), 0);
      arrays_[4 * i + 3].assign(size_t(O), 0);
      T* a[4];
      for (std::uint64_t k = 0; k < 4; ++k) a[k] = arrays_[4 * i + k].data();
      Brick<T> affine = {Kind::affine, I, O, {a[0], I * O, {a[2]}, 1, 0.001}, {a[1], O, {a[3]}}};
      bricks.push_back(affine);
      Brick<T> between = {Kind::activation, O, O, {}, {}, activation(i ? "sigmoid" : "relu")};
      if (i < 2) bricks.push_back(between);
    }
  }

  std::vector<EpochResult> train(Size epochs,
                                 double clip_norm = std::numeric_limits<double>::infinity()) {
    TrainingProgram<T> program(active_kernels<T>(), bricks, mse_loss(), nesterov(), clip_norm,
                               batch_size);
    const TrainingResult result =
        handnn::train<T>(program, {x.data(), y.data(), weight.data(), rows},
                         {batch_size, rows, 7, false}, {epochs, 0}, nullptr, [] { return false; });
    return result.epochs;
  }

  static LossSettings<T> mse_loss() {
    LossSettings<T> loss;
    while (std::string(loss_facts[loss.which].name) != "mse_loss") ++loss.which;
    loss.options.columns = 7;
    return loss;
  }

  // FNV-1a over the bits of all weights.
  std::uint64_t checksum() const {
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    std::uint64_t sum = 0xcbf29ce484222325;
    for (const Brick<T>& brick : bricks) {
      for (Size i = 0; brick.learns() && i < (brick.I + 1) * brick.O; ++i) {
        const Size weights = brick.I * brick.O;
        sum ^= std::bit_cast<Bits>(i < weights ? brick.w.value[i] : brick.b.value[i - weights]);
        sum *= 0x100000001b3;
      }
    }
    return sum;
  }

  std::vector<Brick<T>> bricks;
  std::vector<T> x = numbers<T>(rows * 600, 20), y = numbers<T>(rows * 7, 21),
                 weight = std::vector<T>(rows, T(0.75));

 private:
  std::vector<T> arrays_[12];
};

// What every instruction set with FMA gives, on any machine.
template <class T>
constexpr std::uint64_t expected_checksum =
    sizeof(T) == 4 ? 0xcbad168200bb2b1b : 0x27ba1fda1eed1b74;

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
  std::vector<T> scratch(size_t(predict_scratch(kernels, training.bricks)));
  std::vector<T> at_once(100 * 7), one_by_one(100 * 7);
  predict(kernels, training.bricks, at_once.data(), training.x.data(), scratch.data(), 100);
  for (Size row = 0; row < 100; ++row) {
    predict(kernels, training.bricks, one_by_one.data() + row * 7, training.x.data() + row * 600,
            scratch.data(), 1);
  }
  check(at_once == one_by_one, std::string(dtype) + ": rows at once and one by one");
}

// An epoch whose first two steps have been taken before: the same weights as in one go, and the
// outputs of its own steps.
template <class T>
void check_going_on(const char* dtype) {
  Training<T> whole, parts;
  const Size rows = Training<T>::rows, batch_size = Training<T>::batch_size;
  std::vector<T> outputs(size_t(rows) * 7), later(size_t(rows) * 7);
  const auto train_rows = [&](Training<T>& training, Size rows_per_epoch, TrainingSpan span,
                              std::vector<T>& out) {
    TrainingProgram<T> program(active_kernels<T>(), training.bricks, training.mse_loss(),
                               nesterov(), std::numeric_limits<double>::infinity(), batch_size);
    return train<T>(
        program, {training.x.data(), training.y.data(), nullptr, rows},
        {batch_size, rows_per_epoch, 7, false}, span, nullptr, [] { return false; }, out.data());
  };
  const TrainingResult all = train_rows(whole, rows, {1, 0}, outputs);
  const TrainingResult first = train_rows(parts, 2 * batch_size, {1, 0}, later);
  const double total = first.epochs[0].loss * double(2 * batch_size);
  const TrainingResult second = train_rows(parts, rows, {1, 0, 2, total}, later);
  check(first.steps == 2 && second.steps == all.steps - 2, std::string(dtype) + ": steps");
  check(whole.checksum() == parts.checksum(), std::string(dtype) + ": going on in an epoch");
  check(outputs == later, std::string(dtype) + ": the outputs of an epoch");
  check(std::abs(second.epochs[0].loss / all.epochs[0].loss - 1) < 1e-12, "the loss of an epoch");
}

// A loss that is not finite ends training with the weights from before its step.
template <class T>
void check_divergence(const char* dtype) {
  for (const T wrong : {std::numeric_limits<T>::infinity(), std::numeric_limits<T>::quiet_NaN()}) {
    Training<T> good, bad;
    bad.y[size_t(Training<T>::batch_size) * 7] = wrong;  // in the second batch
    TrainingProgram<T> diverging(active_kernels<T>(), bad.bricks, bad.mse_loss(), nesterov(),
                                 std::numeric_limits<double>::infinity(), Training<T>::batch_size);
    const TrainingResult result =
        train<T>(diverging, {bad.x.data(), bad.y.data(), nullptr, Training<T>::rows},
                 {Training<T>::batch_size, Training<T>::rows, std::nullopt, false}, {2, 0}, nullptr,
                 [] { return false; });
    check(result.steps == 1 && result.epochs.empty() && !std::isfinite(result.total),
          std::string(dtype) + ": a loss that is not finite");
    TrainingProgram<T> program(active_kernels<T>(), good.bricks, good.mse_loss(), nesterov(),
                               std::numeric_limits<double>::infinity(), Training<T>::batch_size);
    program.step(good.x.data(), good.y.data(), nullptr, Training<T>::batch_size);
    check(good.checksum() == bad.checksum(), std::string(dtype) + ": an update after it");
  }
}

template <class T>
void check_allocations(const char* dtype) {
  for (int threads : {1, 3}) {
    for (const double clip_norm : {std::numeric_limits<double>::infinity(), 0.5}) {
      set_num_threads(threads);
      Training<T> training;
      training.train(1);  // starts the threads
      TrainingProgram<T> program(active_kernels<T>(), training.bricks, training.mse_loss(),
                                 nesterov(), clip_norm, Training<T>::batch_size);
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
        program.step(training.x.data(), training.y.data(), nullptr, Training<T>::batch_size);
      }
      const bool allocated_none = allocations == before;
      check(allocated_none, std::string(dtype) + ": a shared step allocates");
    }
  }
}

}  // namespace
}  // namespace handnn

int run(int, char**) {
  using namespace handnn;
  if (!activate_isa(HANDNN_ISA_NAME)) return 1;
  check_shares();
  check_parts();
  check_exceptions();
  check_busy_pool();
  check_training<float>("float32");
  check_training<double>("float64");
  check_prediction<float>("float32");
  check_prediction<double>("float64");
  check_going_on<float>("float32");
  check_going_on<double>("float64");
  check_divergence<float>("float32");
  check_divergence<double>("float64");
  check_allocations<float>("float32");
  check_allocations<double>("float64");
  return !good;
}
