// How far exp and what is made of it are from the exact result, in units in the last place (ulp).
//
//   accuracy_v3            a million float32 and a million float64 inputs, spread over everything a
//                          bit pattern can be; a million float64 inputs in [-746, 710], where exp
//                          is neither 0 nor infinite, and a million in [-40, 40]
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
#include "kernels/layers/tanh.hpp"
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

template <class T>
void exp_of(T* out, const T* x, Size n) {
  for_each_vector<T>(n, [&](auto at) { at.store(out, exp(at.load(x))); });
}

template <class T>
void normal_cdf_of(T* out, const T* x, Size n) {
  for_each_vector<T>(n, [&](auto at) { at.store(out, normal_cdf(at.load(x))); });
}
template <class Formula, class T>
void activation_of(T* out, const T* x, Size n) {
  elementwise_forward<Formula>(out, x, T(0), n);
}

template <class W>
W exact_exp(W x) {
  return std::exp(x);
}
template <class W>
W exact_sigmoid(W x) {
  return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
}
template <class W>
W exact_tanh(W x) {
  return std::tanh(x);
}
template <class W>
W exact_softplus(W x) {
  return (x < 0 ? 0 : x) + std::log1p(std::exp(-std::fabs(x)));
}
template <class W>
W exact_normal_cdf(W x) {
  return std::erfc(-x * W(0.707106781186547524400844362104849039L)) / 2;
}

// |got - exact| in units of the spacing of T's numbers at exact. Infinity is right from one unit
// above the largest number on, and stands for that value below.
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

// Input number `index`: the one with the bit pattern index·step.
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

// Over the inputs from number `begin` to before `end`.
template <class T, class Inputs>
Worst measure(void (*function)(T*, const T*, Size),
              typename Wider<T>::Type (*exact)(typename Wider<T>::Type), Inputs input,
              std::uint64_t begin, std::uint64_t end) {
  using Bits = typename Wider<T>::Bits;
  constexpr Size block = 4096;
  std::vector<T> x(block), out(block);
  Worst worst;
  for (std::uint64_t first = begin; first < end; first += block) {
    const Size n = Size(end - first < block ? end - first : block);
    for (Size i = 0; i < n; ++i) x[size_t(i)] = input(first + std::uint64_t(i));
    function(out.data(), x.data(), n);
    for (size_t i = 0; i < size_t(n); ++i) {
      const double error = ulps(out[i], exact(x[i]));
      if (error > worst.ulps) worst.ulps = error, worst.at = double(x[i]);
      const std::uint64_t result = out[i] != out[i] ? 0 : std::bit_cast<Bits>(out[i]);
      worst.checksum += (result + 1) * (2 * (first + i) + 1);
    }
  }
  return worst;
}

template <class T, class Inputs>
bool report(const char* name, void (*function)(T*, const T*, Size),
            typename Wider<T>::Type (*exact)(typename Wider<T>::Type), double bound, Inputs input,
            std::uint64_t count) {
  // Always four parts, so that the checksum does not depend on how many CPUs there are.
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
      "%-4s %-8s %-7s %10llu inputs, worst %.4f ulp at x = %.9g (bound %g) %s, checksum %016llx\n",
      HANDNN_ISA_NAME, name, sizeof(T) == 4 ? "float32" : "float64",
      static_cast<unsigned long long>(count), worst.ulps, worst.at, bound, good ? "ok" : "FAILED",
      static_cast<unsigned long long>(worst.checksum));
  std::fflush(stdout);
  return good;
}

}  // namespace
}  // namespace handnn

int run(int argc, char** argv) {
  using namespace handnn;
  const bool all = argc > 1 && std::strcmp(argv[1], "--all") == 0;
  const std::uint64_t step32 = all ? 1 : 4099, count32 = (std::uint64_t(1) << 32) / step32;
  const std::uint64_t count64 = 1000000, step64 = ~std::uint64_t(0) / count64;

  bool good = true;
  const auto report_both = [&]<class T>(auto input, std::uint64_t count, T) {
    using W = typename Wider<T>::Type;
    good &= report<T>("exp", exp_of<T>, exact_exp<W>, 1.0, input, count);
    good &= report<T>("sigmoid", activation_of<Sigmoid, T>, exact_sigmoid<W>, 2.0, input, count);
    good &= report<T>("tanh", activation_of<Tanh, T>, exact_tanh<W>, 2.0, input, count);
    good &= report<T>("softplus", activation_of<Softplus, T>, exact_softplus<W>, 2.0, input, count);
    good &= report<T>("Phi", normal_cdf_of<T>, exact_normal_cdf<W>, 8.0, input, count);
  };
  report_both(BitPatterns<float>{step32}, count32, 0.0f);
  report_both(BitPatterns<double>{step64}, count64, 0.0);
  report_both(Uniform{-746, 710}, count64, 0.0);
  report_both(Uniform{-40, 40}, count64, 0.0);
  return !good;
}
