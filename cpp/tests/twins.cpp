// Every fast kernel gives the bits of its naive twin: both dtypes, sizes around every edge of tile
// and vector, any offset.
//
// Each buffer is its own allocation of exactly the right size, so that AddressSanitizer sees a
// kernel read or write past either end.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "kernels/layers/affine.hpp"
#include "kernels/layers/relu.hpp"
#include "kernels/layers/sigmoid.hpp"
#include "kernels/losses/mse_loss.hpp"
#include "kernels/optimizers/sgd.hpp"
#include "run.hpp"

namespace handnn {
namespace {

std::mt19937_64 random_bits(20221214);
long compared = 0, different = 0;

// `size` elements that start `offset` elements into an allocation and end with it.
template <class T>
class Buffer {
 public:
  explicit Buffer(Size size, Size offset = 0)
      : memory_(new T[size_t(size + offset)]), offset_(offset), size_(size) {}
  Buffer(const Buffer& other) : Buffer(other.size_, other.offset_) {
    if (size_) std::memcpy(data(), other.data(), size_t(size_) * sizeof(T));
  }
  T* data() const { return memory_.get() + offset_; }
  Size size() const { return size_; }

 private:
  std::unique_ptr<T[]> memory_;
  Size offset_, size_;
};

// Mostly ordinary numbers; some denormal, huge, infinite, NaN, or a zero of either sign when
// `special` asks for them.
template <class T>
Buffer<T> numbers(Size size, bool special = false) {
  using Limits = std::numeric_limits<T>;
  const T odd[] = {T(0),
                   -T(0),
                   Limits::infinity(),
                   -Limits::infinity(),
                   Limits::quiet_NaN(),
                   Limits::denorm_min(),
                   -Limits::denorm_min(),
                   Limits::max(),
                   Limits::lowest(),
                   Limits::min() / 4,
                   T(88.8),
                   T(-104)};
  std::normal_distribution<double> normal(0.0, special ? 40.0 : 1.0);
  Buffer<T> buffer(size, Size(random_bits() % 4));
  for (Size i = 0; i < size; ++i) {
    const bool is_odd = special && random_bits() % 4 == 0;
    buffer.data()[i] =
        is_odd ? odd[random_bits() % (sizeof odd / sizeof odd[0])] : T(normal(random_bits));
  }
  return buffer;
}

// The same bits, but any NaN equals any other: which operand's payload survives is the CPU's
// choice.
template <class T>
void compare(const char* kernel, const char* array, const Buffer<T>& fast, const Buffer<T>& naive,
             Size N, Size I, Size O) {
  for (Size i = 0; i < fast.size(); ++i) {
    const T a = fast.data()[i], b = naive.data()[i];
    ++compared;
    if (std::memcmp(&a, &b, sizeof(T)) == 0 || (a != a && b != b)) continue;
    if (++different <= 20) {
      std::printf("%s<%s> N=%td I=%td O=%td: %s[%td] is %.17g, but its twin's is %.17g\n", kernel,
                  sizeof(T) == 4 ? "float" : "double", N, I, O, array, i, double(a), double(b));
    }
  }
}

template <class T>
void test_affine(Size N, Size I, Size O) {
  const Buffer<T> x = numbers<T>(N * I), w = numbers<T>(I * O), b = numbers<T>(O),
                  dout = numbers<T>(N * O);
  const Buffer<T> scratch(matmul_scratch<T>);
  const Buffer<T> out(N * O), out_naive(N * O);
  affine_forward(out.data(), x.data(), w.data(), b.data(), scratch.data(), N, I, O);
  affine_forward_naive(out_naive.data(), x.data(), w.data(), b.data(), N, I, O);
  compare("affine_forward", "out", out, out_naive, N, I, O);

  const Buffer<T> dx(N * I), dw(I * O), db(O), dx_naive(N * I), dw_naive(I * O), db_naive(O);
  affine_backward(dx.data(), dw.data(), db.data(), dout.data(), x.data(), w.data(), scratch.data(),
                  N, I, O);
  affine_backward_naive(dx_naive.data(), dw_naive.data(), db_naive.data(), dout.data(), x.data(),
                        w.data(), N, I, O);
  compare("affine_backward", "dx", dx, dx_naive, N, I, O);
  compare("affine_backward", "dw", dw, dw_naive, N, I, O);
  compare("affine_backward", "db", db, db_naive, N, I, O);
}

template <class T>
void test_elementwise(Size n) {
  const Buffer<T> x = numbers<T>(n, true), dout = numbers<T>(n, true);
  const Buffer<T> fast(n), naive(n);
  relu_forward(fast.data(), x.data(), n);
  relu_forward_naive(naive.data(), x.data(), n);
  compare("relu_forward", "out", fast, naive, n, 1, 1);
  relu_backward(fast.data(), dout.data(), x.data(), n);
  relu_backward_naive(naive.data(), dout.data(), x.data(), n);
  compare("relu_backward", "dx", fast, naive, n, 1, 1);
  sigmoid_forward(fast.data(), x.data(), n);
  sigmoid_forward_naive(naive.data(), x.data(), n);
  compare("sigmoid_forward", "out", fast, naive, n, 1, 1);
  sigmoid_backward(fast.data(), dout.data(), x.data(), n);
  sigmoid_backward_naive(naive.data(), dout.data(), x.data(), n);
  compare("sigmoid_backward", "dx", fast, naive, n, 1, 1);
}

template <class T>
void test_mse_loss(Size N, Size O) {
  const Buffer<T> pre = numbers<T>(N * O), y_true = numbers<T>(N * O), weight = numbers<T>(N);
  for (const T* w : {static_cast<const T*>(nullptr), static_cast<const T*>(weight.data())}) {
    const Buffer<double> fast(1), naive(1);
    *fast.data() = mse_loss_forward(pre.data(), y_true.data(), w, N, O);
    *naive.data() = mse_loss_forward_naive(pre.data(), y_true.data(), w, N, O);
    compare("mse_loss_forward", "loss", fast, naive, N, 1, O);
    const Buffer<T> dx(N * O), dx_naive(N * O);
    mse_loss_backward(dx.data(), pre.data(), y_true.data(), w, T(0.3), N, O);
    mse_loss_backward_naive(dx_naive.data(), pre.data(), y_true.data(), w, T(0.3), N, O);
    compare("mse_loss_backward", "dx", dx, dx_naive, N, 1, O);
  }
}

template <class T>
void test_sgd(Size n) {
  const Buffer<T> param = numbers<T>(n), velocity = numbers<T>(n), grad = numbers<T>(n);
  for (const bool has_velocity : {false, true}) {
    for (const bool nesterov : {false, true}) {
      Buffer<T> p(param), v(velocity), p_naive(param), v_naive(velocity);
      const T momentum = has_velocity ? T(0.9) : T(0);
      sgd_update(p.data(), has_velocity ? v.data() : nullptr, grad.data(), T(0.1), momentum,
                 T(0.01), nesterov, n);
      sgd_update_naive(p_naive.data(), has_velocity ? v_naive.data() : nullptr, grad.data(), T(0.1),
                       momentum, T(0.01), nesterov, n);
      compare("sgd_update", "param", p, p_naive, n, 1, 1);
      compare("sgd_update", "velocity", v, v_naive, n, 1, 1);
    }
  }
}

template <class T>
void test_all() {
  for (Size n = 0; n <= 130; ++n) {
    test_elementwise<T>(n);
    test_sgd<T>(n);
  }
  // Every size from 0 to 130 in every dimension, the other two at random; then sizes past one panel
  // of k.
  for (Size size = 0; size <= 130; ++size) {
    const Size p = Size(random_bits() % 131), q = Size(random_bits() % 131);
    test_affine<T>(size, p, q);
    test_affine<T>(p, size, q);
    test_affine<T>(p, q, size);
    test_mse_loss<T>(size, p % 20);
    test_mse_loss<T>(p, size % 20);
  }
  // Past what is packed at a time, and rows a power of two apart; then whatever comes.
  test_affine<T>(300, 520, 35);
  test_affine<T>(35, 300, 520);
  test_affine<T>(520, 35, 300);
  test_affine<T>(45, 70, 1030);
  test_affine<T>(260, 512, 512);
  test_affine<T>(64, 1024, 70);
  test_affine<T>(300, 3, 1024);
  test_affine<T>(100, 784, 50);
  test_affine<T>(341, 391, 533);
  for (int i = 0; i < 8; ++i) {
    const auto size = [] { return Size(1 + random_bits() % 260); };
    test_affine<T>(size(), size(), size());
  }
}

}  // namespace
}  // namespace handnn

int run(int, char**) {
  using namespace handnn;
  test_all<float>();
  test_all<double>();
  std::printf("%s: %ld elements compared, %ld differ\n", HANDNN_ISA_NAME, compared, different);
  return different != 0;
}
