// The engine's threads: the pool, and concurrent callers, which share only the pool, the kernels
// and compiled networks. This test also runs under ThreadSanitizer.
#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "engine/pool.hpp"
#include "engine/predict.hpp"
#include "engine/sharing.hpp"
#include "run.hpp"
#include "training.hpp"

namespace handnn {
namespace {

// Whether run_parts calls each part exactly once.
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
    check(num_threads() == threads, "num_threads returns the number that was set");
    for (int turn = 0; turn < 200; ++turn) {
      for (int parts : {0, 1, 2, 3, 7, 64}) {
        check(does_all(parts), std::to_string(parts) + " parts, " + std::to_string(threads));
      }
    }
  }
  check(does_all(70000), "more parts than the pool can count");
}

// The part of `duration` that is spent in steps that are shared, which take `shared` seconds; the
// others take 1e-3 s.
double time_shared(Sharing& sharing, double shared, double duration = 5) {
  double spent = 0, all = 0;
  while (all < duration) {
    const double seconds = sharing.shares() ? shared : 1e-3;
    spent += sharing.shares() ? seconds : 0;
    all += seconds;
    sharing.took(seconds);
  }
  return spent / all;
}

void check_sharing() {
  Sharing sharing;
  check(sharing.shares(), "the first step is shared");
  check(time_shared(sharing, 0.6e-3) > 0.95, "steps are shared if that is faster");
  check(time_shared(sharing, 1.5e-3) < 0.5, "it is noticed that sharing has become slower");
  check(time_shared(sharing, 1.5e-3) < 0.05, "steps are not shared if that is slower");
  time_shared(sharing, 0.6e-3);
  check(time_shared(sharing, 0.6e-3) > 0.95, "it is noticed that sharing has become faster");
  Sharing of_short_fit;
  check(time_shared(of_short_fit, 1.5e-3, 0.5) < 0.04, "a trial ends when it is lost");
  Sharing of_long_steps;
  time_shared(of_long_steps, 0.05);
  check(time_shared(of_long_steps, 0.05) < 0.1, "trials of long steps are rarer");
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
  check(inner == 30, "nested work is done");
  check(stays, "nested work stays on its thread");

  // A second caller must not wait for the first: in this test, the first waits for the second.
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
  check(second_right, "concurrent work is done");

  // Concurrent callers while the number of threads changes.
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
  check(all_right, "concurrent callers");
}

void check_shares() {
  for (Size count : {0, 1, 5, 64, 257, 1000}) {
    for (int parts : {1, 2, 3, 7, 8}) {
      for (Size grain : {1, 16, 256}) {
        Size next = 0;
        for (int part = 0; part < parts; ++part) {
          const auto [first, last] = share_of(count, part, parts, grain);
          check(first == next && last >= first, "ranges are contiguous");
          check(last % grain == 0 || last == count, "ranges begin at multiples of the grain");
          next = last;
        }
        check(next == count, "shares cover all");
      }
    }
  }
}

// Trains separate networks, predicts with a shared network and changes the number of threads, all
// concurrently. Each result must have the bits of a run without concurrency.
template <class T>
void check_concurrent_use(const char* dtype) {
  constexpr int callers = 6;
  set_num_threads(3);
  Training<T> alone;
  alone.train(3);
  const std::uint64_t expected = alone.checksum();
  const CheckedBricks<T> shared(alone.bricks);
  const Kernels<T>& kernels = active_kernels<T>();
  const auto predicted = [&] {
    std::vector<T> scratch(size_t(predict_scratch(kernels, shared)));
    std::vector<T> out(size_t(Training<T>::rows) * 7);
    predict(kernels, shared, out.data(), alone.x.data(), scratch.data(), Training<T>::rows);
    return out;
  };
  const std::vector<T> expected_out = predicted();

  std::atomic<int> ready = 0;
  std::atomic<bool> same_weights = true, same_outputs = true;
  std::vector<std::thread> threads;
  for (int caller = 0; caller < callers; ++caller) {
    threads.emplace_back([&, caller] {
      ++ready;
      while (ready < callers) std::this_thread::yield();
      for (int turn = 0; turn < 3; ++turn) {
        if (caller == 0) set_num_threads(1 + turn % 3);
        Training<T> own;
        own.train(3);
        if (own.checksum() != expected) same_weights = false;
        if (predicted() != expected_out) same_outputs = false;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  check(same_weights, std::string(dtype) + ": concurrent trainings");
  check(same_outputs, std::string(dtype) + ": concurrent predictions");
}

}  // namespace
}  // namespace handnn

int run(const char*, int, char**) {
  using namespace handnn;
  check_shares();
  check_parts();
  check_sharing();
  check_exceptions();
  check_busy_pool();
  check_concurrent_use<float>("float32");
  check_concurrent_use<double>("float64");
  return !good;
}
