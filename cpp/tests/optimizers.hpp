// The kernels of the optimizers against their naive twins.
#pragma once

#include <cmath>
#include <limits>

#include "buffers.hpp"
#include "kernels/bricks.hpp"

namespace handnn {
namespace {

template <class T>
Rates<T> some_rates(bool nesterov, bool changes_gradients) {
  Rates<T> rates = {T(0.1), T(0.01), T(0.9),  T(0.7),  T(0.8), T(0.9),
                    T(0.1), T(0.99), T(0.01), T(1e-8), T(10),  nesterov};
  if (changes_gradients) return rates;
  rates.grad_scale = 1;
  rates.clip = std::numeric_limits<T>::infinity();
  return rates;
}

// A param (n) and two states that are not negative, or none.
template <class T>
struct Updated {
  Buffer<T> param, state_0, state_1;
  explicit Updated(Size n) : param(numbers<T>(n)), state_0(numbers<T>(n)), state_1(numbers<T>(n)) {
    for (Size i = 0; i < n; ++i) {
      state_0.data()[i] = std::abs(state_0.data()[i]);
      state_1.data()[i] = std::abs(state_1.data()[i]);
    }
  }
  // Without states, only those that the optimizer always keeps.
  ParamArrays<T> arrays(const OptimizerFacts& of, bool has_states) const {
    return {param.data(), has_states || of.always_keeps(0) ? state_0.data() : nullptr,
            has_states || of.always_keeps(1) ? state_1.data() : nullptr};
  }
};
template <class T>
void compare_updated(const char* name, const Updated<T>& fast, const Updated<T>& naive, Size N,
                     Size I, Size O) {
  compare(name, "param", fast.param, naive.param, N, I, O);
  compare(name, "state_0", fast.state_0, naive.state_0, N, I, O);
  compare(name, "state_1", fast.state_1, naive.state_1, N, I, O);
}

template <class Formula, class T>
void test_update(int which, Size n) {
  const OptimizerFacts& facts = optimizer_facts[which];
  const Buffer<T> grad = numbers<T>(n);
  const Updated<T> start(n);
  for (const bool has_states : {false, true}) {
    for (const bool nesterov : {false, true}) {
      const Rates<T> rates = some_rates<T>(nesterov, n % 2 > 0);
      const Updated<T> fast(start), naive(start);
      const ParamArrays<T> of = fast.arrays(facts, has_states);
      kernels<T>().updates[which](of.param, of.state_0, of.state_1, grad.data(), rates, n);
      const ParamArrays<T> by = naive.arrays(facts, has_states);
      update_naive<Formula>(by.param, by.state_0, by.state_1, grad.data(), rates, n);
      compare_updated(facts.name, fast, naive, n, 1, 1);
    }
  }
}

template <class Formula, class T>
void test_update_from_rows(int which, Size N, Size I, Size O) {
  const Size x_row = I + Size(random_bits() % 3);
  const Buffer<T> x = numbers<T>(N * x_row), dout = numbers<T>(N * O);
  const Updated<T> start(I * O);
  const FewRows<T> from = {x.data(), x_row, dout.data(), O, N};
  const Rates<T> rates = some_rates<T>(false, O % 2 > 0);
  for (const bool has_states : {false, true}) {
    const Updated<T> fast(start), naive(start);
    kernels<T>().updates_from_rows[which](fast.arrays(optimizer_facts[which], has_states), from,
                                          rates, I, O);
    update_from_rows_naive<Formula>(naive.arrays(optimizer_facts[which], has_states), from, rates,
                                    I, O);
    compare_updated(optimizer_facts[which].name, fast, naive, N, I, O);
  }
}

template <class Formula, class T>
void test_update_and_forward(int which, Size I, Size O) {
  constexpr Size longest_vector = 16;  // of AVX-512: the engine passes no shorter row
  const auto update_and_forward = kernels<T>().updates_and_forward[which];
  if (!update_and_forward || O < longest_vector) return;
  const char* name = optimizer_facts[which].name;
  const Buffer<T> x = numbers<T>(I), next = numbers<T>(I), dout = numbers<T>(O), b = numbers<T>(O);
  const Updated<T> start(I * O);
  if (I > 0 && O > 0) {  // a gradient of -0
    x.data()[0] = -std::numeric_limits<T>::min();
    dout.data()[0] = std::numeric_limits<T>::min();
    start.param.data()[0] = -T(0);
  }
  for (const int kind : {0, 1, 2}) {  // without states, with them, plain SGD
    const bool has_states = kind == 1;
    Rates<T> rates = some_rates<T>(O % 2 > 0 && kind < 2, false);
    if (kind == 2) rates.mean_decay = 0;
    if (kind == 2 && I % 2 > 0) rates.weight_decay = 0;
    const Updated<T> fast(start), naive(start);
    const Buffer<T> out(b), out_naive(b);
    update_and_forward(fast.arrays(optimizer_facts[which], has_states), x.data(), dout.data(),
                       {next.data(), out.data()}, rates, I, O);
    update_and_forward_naive<Formula>(naive.arrays(optimizer_facts[which], has_states), x.data(),
                                      dout.data(), {next.data(), out_naive.data()}, rates, I, O);
    compare_updated(name, fast, naive, 1, I, O);
    compare(name, "out of the next row", out, out_naive, 1, I, O);
  }
}

template <class T>
void test_updates_and_forward(Size I, Size O) {
  int which = 0;
#define HANDNN_TEST(name, Formula, ...) test_update_and_forward<Formula, T>(which++, I, O);
  HANDNN_OPTIMIZERS(HANDNN_TEST)
#undef HANDNN_TEST
}

template <class T>
void test_updates_from_rows(Size N, Size I, Size O) {
  int which = 0;
#define HANDNN_TEST(name, Formula, ...) test_update_from_rows<Formula, T>(which++, N, I, O);
  HANDNN_OPTIMIZERS(HANDNN_TEST)
#undef HANDNN_TEST
}

template <class T>
void test_updates(Size n) {
  int which = 0;
#define HANDNN_TEST(name, Formula, ...) test_update<Formula, T>(which++, n);
  HANDNN_OPTIMIZERS(HANDNN_TEST)
#undef HANDNN_TEST
  const Buffer<T> x = numbers<T>(n);
  const Buffer<double> fast(1), naive(1);
  *fast.data() = kernels<T>().sum_of_squares(x.data(), n);
  *naive.data() = sum_of_squares_naive(x.data(), n);
  compare("sum_of_squares", "sum", fast, naive, n, 1, 1);
}

}  // namespace
}  // namespace handnn
