#include "engine/measure.hpp"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <utility>

#include "engine/arena.hpp"
#include "kernels/dispatch.hpp"

namespace handnn {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The CPU time of this thread in seconds, or the wall time where the system does not report it.
double thread_seconds() {
#if defined(CLOCK_THREAD_CPUTIME_ID)
  timespec time;
  if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0) {
    return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
  }
#endif
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

constexpr Size turns = 100000;  // rounds of fma_chains: about half a millisecond

// Operations per second of multiply-adds alone, in the fastest form.
template <class T>
double peak_round() {
  alignas(64) T sink[64 / sizeof(T)] = {};
  double best = 0;
  for (int form = 0; form < fma_forms; ++form) {
    const double start = thread_seconds();
    const double done = active_kernels<T>().fma_chains(sink, turns, form);
    best = std::max(best, done / (thread_seconds() - start));
  }
  return best;
}

}  // namespace

template <class T>
double measure_fma_peak(double seconds) {
  double best = 0;
  const Clock::time_point begin = Clock::now();
  do {
    best = std::max(best, peak_round<T>());
  } while (seconds_since(begin) < seconds);
  return best;
}

template <class T>
Speeds measure_product(Product product, Size N, Size I, Size O, double seconds) {
  const Kernels<T>& kernels = active_kernels<T>();
  Arena arena;  // as in a training
  T *x, *w, *b, *out, *scratch;
  const auto take = [&] {
    x = arena.take<T>(N, I), w = arena.take<T>(I, O), b = arena.take<T>(O);
    out = arena.take<T>(N, O), scratch = arena.take<T>(kernels.scratch_size);
  };
  take();
  arena.commit();
  take();
  const auto fill = [&] {
    for (const auto& [data, size] : {std::pair(x, N * I), {w, I * O}, {b, O}, {out, N * O}}) {
      std::fill_n(data, size, T(0.5));
    }
  };
  fill();
  const auto multiply = [&] {
    switch (product) {
      case Product::nn:
        return kernels.affine_forward(out, x, w, b, scratch, N, I, O);
      case Product::tn:
        return kernels.matmul_tn(w, x, out, scratch, N, I, O, {I});
      case Product::nt:
        return kernels.matmul_nt(x, out, w, scratch, N, I, O);
    }
  };
  const double operations = 2.0 * double(N) * double(I) * double(O);
  const Size repeats = 1 + Size(2e7 / operations);
  Speeds best = {0, 0};
  const Clock::time_point begin = Clock::now();
  do {
    const double start = thread_seconds();
    for (Size i = 0; i < repeats; ++i) multiply();
    best.product =
        std::max(best.product, operations * double(repeats) / (thread_seconds() - start));
    best.peak = std::max(best.peak, peak_round<T>());
    fill();  // repeated sums soon overflow
  } while (seconds_since(begin) < seconds);
  return best;
}

template double measure_fma_peak<float>(double);
template double measure_fma_peak<double>(double);
template Speeds measure_product<float>(Product, Size, Size, Size, double);
template Speeds measure_product<double>(Product, Size, Size, Size, double);

}  // namespace handnn
