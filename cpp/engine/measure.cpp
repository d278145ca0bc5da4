#include "engine/measure.hpp"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <vector>

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
  const auto filled = [](Size size) { return std::vector<T>(std::size_t(size), T(0.5)); };
  std::vector<T> x = filled(N * I), w = filled(I * O), b = filled(O), out = filled(N * O),
                 scratch = filled(kernels.scratch_size);
  const auto multiply = [&] {
    switch (product) {
      case Product::nn:
        return kernels.affine_forward(out.data(), x.data(), w.data(), b.data(), scratch.data(), N,
                                      I, O);
      case Product::tn:
        return kernels.matmul_tn(w.data(), x.data(), out.data(), scratch.data(), N, I, O, {I});
      case Product::nt:
        return kernels.matmul_nt(x.data(), out.data(), w.data(), scratch.data(), N, I, O);
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
    // Reset, because repeated sums soon overflow.
    std::fill(x.begin(), x.end(), T(0.5));
    std::fill(w.begin(), w.end(), T(0.5));
    std::fill(out.begin(), out.end(), T(0.5));
  } while (seconds_since(begin) < seconds);
  return best;
}

template double measure_fma_peak<float>(double);
template double measure_fma_peak<double>(double);
template Speeds measure_product<float>(Product, Size, Size, Size, double);
template Speeds measure_product<double>(Product, Size, Size, Size, double);

}  // namespace handnn
