#include "engine/pool.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif
#if defined(__linux__)
#include <sched.h>
#endif

namespace handnn {

namespace {

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  __asm__ volatile("yield");
#endif
}

// Iterations that a thread spins before it sleeps or yields: tens of microseconds.
constexpr int busy_turns = 2000;

class Pool {
 public:
  // Starts `threads` - 1 threads, or as many as the system allows.
  explicit Pool(int threads) {
    try {
      for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      // The system limits the number of threads; continue with those that were started.
    }
  }

  ~Pool() {
    closing_ = true;
    offer(0);
    for (std::thread& worker : workers_) worker.join();
  }

  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  void run(int parts, void (*call)(void*, int), void* context) {
    call_ = call;
    context_ = context;
    failure_ = nullptr;
    done_.store(0, std::memory_order_relaxed);
    offer(parts);
    take_parts();
    // Does not wait for workers that are still asleep: they will find no parts left.
    for (int i = 0; done_.load(std::memory_order_acquire) < parts; ++i) {
      i < busy_turns ? relax() : std::this_thread::yield();
    }
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  // The current work packed in one atomic word: its number (32 bits), its number of parts (16 bits)
  // and the number of parts taken (16 bits). A thread that is late thus cannot take a part of the
  // next work.
  static std::uint64_t parts_of(std::uint64_t offer) { return offer >> 16 & 0xffff; }
  static std::uint64_t taken_of(std::uint64_t offer) { return offer & 0xffff; }
  static std::uint64_t work_of(std::uint64_t offer) { return offer >> 32; }

  void offer(int parts) {
    {
      const std::lock_guard lock(mutex_);
      const std::uint64_t work = work_of(offer_.load(std::memory_order_relaxed)) + 1;
      offer_.store(work << 32 | std::uint64_t(parts) << 16, std::memory_order_release);
    }
    if (asleep_.load() > 0) wake_.notify_all();
  }

  void take_parts() {
    std::uint64_t offer = offer_.load(std::memory_order_acquire);
    while (taken_of(offer) < parts_of(offer)) {
      if (!offer_.compare_exchange_weak(offer, offer + 1, std::memory_order_acq_rel)) continue;
      try {
        call_(context_, int(taken_of(offer)));
      } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!failure_) failure_ = std::current_exception();
      }
      done_.fetch_add(1, std::memory_order_release);
      offer = offer_.load(std::memory_order_acquire);
    }
  }

  void work() {
    std::uint64_t seen = 0;
    while (!closing_) {
      wait_for_work(seen);
      seen = work_of(offer_.load(std::memory_order_acquire));
      take_parts();
    }
  }

  void wait_for_work(std::uint64_t seen) {
    const auto is_new = [&] { return work_of(offer_.load(std::memory_order_acquire)) != seen; };
    for (int i = 0; i < busy_turns; ++i) {
      if (is_new()) return;
      relax();
    }
    std::unique_lock lock(mutex_);
    ++asleep_;
    wake_.wait(lock, is_new);
    --asleep_;
  }

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<std::uint64_t> offer_ = 0;
  std::atomic<int> done_ = 0, asleep_ = 0;
  std::atomic<bool> closing_ = false;
  void (*call_)(void*, int) = nullptr;
  void* context_ = nullptr;
  std::exception_ptr failure_;
};

int available_cpus() {
#if defined(__linux__)
  cpu_set_t cpus;
  if (sched_getaffinity(0, sizeof cpus, &cpus) == 0) return CPU_COUNT(&cpus);
#endif
  const int cpus_there = int(std::thread::hardware_concurrency());
  return cpus_there > 0 ? cpus_there : 1;
}

std::atomic<int> wanted_threads = 0;  // 0: as many as there are CPUs
std::atomic<bool> pool_is_busy = false;
Pool* pool =
    nullptr;  // not destroyed at exit, when its threads may have ended; guarded by pool_is_busy
int pool_threads = 0;

// After a fork, the child inherits the pool but not its threads. It creates a new pool when it
// first needs one.
void forget_pool() {
  pool = nullptr;
  pool_is_busy = false;
}

void prepare_pool(int threads) {
  if (pool && pool_threads == threads) return;
#if defined(__unix__) || defined(__APPLE__)
  static const bool watches_forks = pthread_atfork(nullptr, nullptr, forget_pool) == 0;
  static_cast<void>(watches_forks);
#endif
  delete pool;
  pool = nullptr;
  pool = new Pool(threads);
  pool_threads = threads;
}

}  // namespace

int num_threads() {
  const int wanted = wanted_threads;
  return wanted ? wanted : available_cpus();
}

void set_num_threads(int threads) { wanted_threads = threads; }

void detail::run_parts(int parts, void (*call)(void*, int), void* context) {
  struct Occupied {
    ~Occupied() { pool_is_busy = false; }
  };
  const int threads = num_threads();
  if (threads == 1 || parts > 0xffff || pool_is_busy.exchange(true)) {
    for (int part = 0; part < parts; ++part) call(context, part);
    return;
  }
  const Occupied occupied;
  prepare_pool(threads);
  pool->run(parts, call, context);
}

}  // namespace handnn
