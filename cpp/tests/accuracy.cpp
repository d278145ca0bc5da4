// Measures the errors of the elementary functions in units in the last place (ulp).
//
//   accuracy_v3            a million float32 and a million float64 inputs, spread over all bit
//                          patterns; a million float64 inputs in [-746, 710], where exp is neither
//                          0 nor infinite, and a million in [-40, 40]
//   accuracy_v3 --few      a tenth of them, for an emulated CPU
//   accuracy_v3 --all      all 2^32 float32 inputs (minutes)
//
// float32 results are measured against double, float64 results against long double (64 bits or more
// of mantissa on Linux). The checksum of all result bits lets two instruction sets be compared: v3,
// v4 and neon print the same one.
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <thread>
#include <vector>

#include "kernels/erf.hpp"
#include "kernels/layers/sigmoid.hpp"
#include "kernels/layers/softplus.hpp"
#include "kernels/log.hpp"
#include "kernels/tanh.hpp"
#include "run.hpp"

namespace handnn {
namespace {

template <class T>
struct Wider;
template <>
struct Wider<float> {
  using Type = double;
  using Bits = std::uint32_t;
};
template <>
struct Wider<double> {
  using Type = long double;
  using Bits = std::uint64_t;
};

template <class W>
W exact_sigmoid(W x) {
  return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
}

template <class W>
W exact_softplus(W x) {
  return (x < 0 ? 0 : x) + std::log1p(std::exp(-std::fabs(x)));
}
template <class W>
W exact_normal_pdf(W x) {
  const W square = x * x;
  if (std::isinf(square)) return 0;
  const W square_lost = std::fma(x, x, -square);
  return std::exp(-square / 2) * (1 - square_lost / 2) / std::sqrt(2 * std::acos(W(-1)));
}

// Computed by erfc. The rounding error of x / sqrt 2, which matters in the tail, is compensated to
// first order.
template <class W>
W exact_normal_cdf(W x) {
  if (std::isinf(x)) return x > 0;
  const W root_2 = std::sqrt(W(2)), root_2_lost = std::fma(-root_2, root_2, W(2)) / (2 * root_2);
  const W z = x / root_2;
  const W x_lost = std::fma(-z, root_2, x) - z * root_2_lost;
  return std::erfc(-z) / 2 + x_lost * exact_normal_pdf(x);
}

// |got - exact| in units of the spacing of T's numbers at exact. Infinity is correct if exact is at
// least one unit above the largest number; otherwise it counts as the number one unit above the
// largest.
template <class T, class W>
double ulps(T got, W exact) {
  using Limits = std::numeric_limits<T>;
  if (exact != exact || got != got) return exact != exact && got != got ? 0.0 : HUGE_VAL;
  const W beyond = std::ldexp(W(1), Limits::max_exponent);
  if (exact >= beyond) return got == Limits::infinity() ? 0.0 : HUGE_VAL;
  int exponent = 0;
  std::frexp(exact, &exponent);
  if (exponent < Limits::min_exponent) exponent = Limits::min_exponent;
  const W unit = std::ldexp(W(1), exponent - Limits::digits);
  return double(std::fabs((got == Limits::infinity() ? beyond : W(got)) - exact) / unit);
}

struct Worst {
  double ulps = 0, at = 0;
  std::uint64_t checksum = 0;

  void add(const Worst& other) {
    if (other.ulps > ulps) ulps = other.ulps, at = other.at;
    checksum += other.checksum;
  }
};

// Input number `index`: the number with the bit pattern index * step.
template <class T>
struct BitPatterns {
  std::uint64_t step;
  T operator()(std::uint64_t index) const {
    return std::bit_cast<T>(typename Wider<T>::Bits(index * step));
  }
};

// Input number `index`: uniform in [low, high), by multiples of the golden ratio.
struct Uniform {
  double low, high;
  double operator()(std::uint64_t index) const {
    return low + (high - low) * (double(index * 0x9e3779b97f4a7c15 >> 11) * 0x1p-53);
  }
};

// Measures inputs begin ... end - 1.
template <class T, class Function, class Exact, class Inputs>
Worst measure(Function function, Exact exact, Inputs input, std::uint64_t begin,
              std::uint64_t end) {
  using W = typename Wider<T>::Type;
  using Bits = typename Wider<T>::Bits;
  constexpr Size block = 4096;
  std::vector<T> x(block), out(block);
  Worst worst;
  for (std::uint64_t first = begin; first < end; first += block) {
    const Size n = Size(end - first < block ? end - first : block);
    for (Size i = 0; i < n; ++i) x[size_t(i)] = input(first + std::uint64_t(i));
    for_each_vector<T>(n, [&](auto at) { at.store(out.data(), function(at.load(x.data()))); });
    for (size_t i = 0; i < size_t(n); ++i) {
      const double error = ulps(out[i], exact(W(x[i])));
      if (error > worst.ulps) worst.ulps = error, worst.at = double(x[i]);
      const std::uint64_t result = out[i] != out[i] ? 0 : std::bit_cast<Bits>(out[i]);
      worst.checksum += (result + 1) * (2 * (first + i) + 1);
    }
  }
  return worst;
}

template <class T, class Function, class Exact, class Inputs>
bool report(const char* isa, const char* name, Function function, Exact exact, double bound,
            Inputs input, std::uint64_t count) {
  // Always four parts, so that the checksum does not depend on the number of CPUs.
  constexpr std::uint64_t parts = 4;
  Worst results[parts];
  std::vector<std::thread> threads;
  for (std::uint64_t part = 0; part < parts; ++part) {
    threads.emplace_back([=, &results] {
      const std::uint64_t begin = count * part / parts, end = count * (part + 1) / parts;
      results[part] = measure<T>(function, exact, input, begin, end);
    });
  }
  for (std::thread& thread : threads) thread.join();
  Worst worst;
  for (const Worst& result : results) worst.add(result);
  const bool good = worst.ulps <= bound;
  std::printf(
      "%-4s %-10s %-7s %10llu inputs, worst %.4f ulp at x = %.9g (bound %g) %s, checksum %016llx\n",
      isa, name, sizeof(T) == 4 ? "float32" : "float64", static_cast<unsigned long long>(count),
      worst.ulps, worst.at, bound, good ? "ok" : "FAILED",
      static_cast<unsigned long long>(worst.checksum));
  std::fflush(stdout);
  return good;
}

}  // namespace
}  // namespace handnn

int run(const char* isa, int argc, char** argv) {
  using namespace handnn;
  const bool all = argc > 1 && std::strcmp(argv[1], "--all") == 0;
  const bool few = argc > 1 && std::strcmp(argv[1], "--few") == 0;
  const std::uint64_t step32 = all ? 1 : (few ? 40993 : 4099),
                      count32 = (std::uint64_t(1) << 32) / step32;
  const std::uint64_t count64 = few ? 100000 : 1000000, step64 = ~std::uint64_t(0) / count64;

  bool good = true;
  const auto report_all = [&]<class T>(auto input, std::uint64_t count, T) {
    const auto check = [&](const char* name, double bound, auto function, auto exact) {
      good &= report<T>(isa, name, function, exact, bound, input, count);
    };
    check("exp", 1.0, [](auto x) { return handnn::exp(x); }, [](auto x) { return std::exp(x); });
    check(
        "sigmoid", 2.0, [](auto x) { return sigmoid(x); }, [](auto x) { return exact_sigmoid(x); });
    check("tanh", 1.5, [](auto x) { return handnn::tanh(x); }, [](auto x) { return std::tanh(x); });
    // log1p is defined here for x >= 0 only, and log for x >= 1 only.
    check(
        "log1p", 1.0, [](auto x) { return handnn::log1p(absolute(x)); },
        [](auto x) { return std::log1p(std::fabs(x)); });
    check(
        "log", 1.0,
        [](auto x) { return handnn::log(at_least(absolute(x), constant<decltype(x)>(1))); },
        [](auto x) { return std::log(std::fabs(x) < 1 ? 1 : std::fabs(x)); });
    check(
        "softplus", 2.0, [](auto x) { return softplus(x); },
        [](auto x) { return exact_softplus(x); });
    check(
        "normal_pdf", 3.0, [](auto x) { return normal_pdf(x); },
        [](auto x) { return exact_normal_pdf(x); });
    check(
        "normal_cdf", 6.0, [](auto x) { return normal_cdf(x); },
        [](auto x) { return exact_normal_cdf(x); });
  };
  report_all(BitPatterns<float>{step32}, count32, 0.0f);
  report_all(BitPatterns<double>{step64}, count64, 0.0);
  report_all(Uniform{-746, 710}, count64, 0.0);
  report_all(Uniform{-40, 40}, count64, 0.0);
  return !good;
}
