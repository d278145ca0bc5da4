// Arguments of kernels that belong together.
#pragma once

#include <cstdint>

#include "optimizers/rates.hpp"
#include "size.hpp"

namespace handnn {

// The outputs of Affine's backward: dx (N, I), dw (I, O), db (O), all overwritten.
template <class T>
struct AffineGrads {
  T *dx, *dw, *db;
};

// Which lanes of a vector were < 0 before a ReLU, one bit each. A row of O elements has a word for
// each of its vectors, and its words begin sign_words(O) after those of the row before it, whatever
// the length of a vector.
using Signs = std::uint16_t;
constexpr Size sign_words(Size O) { return (O + 1) / 2; }

// The output of a ReLU (N, O), and the signs of its input (N, sign_words(O)).
template <class T>
struct ReLUOutput {
  T* out;
  Signs* negative;
};

// How the gradient of weights is summed: over rows of x that are x_row apart, more than I where dw
// is a part of a larger matrix; with `adds`, chains continue from what dw holds, instead of from 0.
struct Summing {
  Size x_row;
  bool adds = false;
};

// A param and the states that an optimizer keeps for it, or null; all updated in place.
template <class T>
struct ParamArrays {
  T *param, *state_0, *state_1;
};

// N rows of x (N, I) and of dout (N, O), x_row and dout_row apart: together they are the gradient
// x^T . dout of a w (I, O).
template <class T>
struct FewRows {
  const T* x;
  Size x_row;
  const T* dout;
  Size dout_row;
  Size N;
};

// The row of the next step, x (I), and out (O), which receives its product with w.
template <class T>
struct NextRow {
  const T* x;
  T* out;
};

// The largest numbers of inputs and of rows of a batch of small_steps.
constexpr Size small_inputs = 31, small_rows = 16;

// An affine of I inputs and O outputs, the states of its params, their rates, and whether its loss
// is SoftmaxCrossEntropy of labels, and not MSELoss.
template <class T>
struct SmallAffine {
  Size I, O;
  ParamArrays<T> w, b;
  const Rates<T>*w_rates, *b_rates;
  bool are_labels;
};

// The rates of a step that bias correction changes from step to step.
template <class T>
struct CorrectedRates {
  T w_lr, b_lr, square_correction;
};

// Batches of N rows of x (rows, I) and y_true (rows, O), or labels (rows, 1), one after another: in
// their order, or in that of the indices `order`, if it is not null. `corrected` holds the rates of
// each of their steps, or is null if they do not change.
template <class T>
struct SmallBatches {
  const T *x, *y_true;
  const Size* order;
  Size N;
  const CorrectedRates<T>* corrected = nullptr;
};

// The params of a norm: gamma (O), beta (O), and eps, which is added to the variance.
template <class T>
struct NormParams {
  const T *gamma, *beta;
  T eps;
};

// Their gradients: dgamma (O), dbeta (O), overwritten.
template <class T>
struct NormGrads {
  T *dgamma, *dbeta;
};

// Those of a BatchNorm, as sums over all `rows` rows of a batch.
template <class T>
struct BatchGrads {
  const T *dgamma, *dbeta;
  Size rows;
};

// A BatchNorm with mean (O) and var (O): those of x in training, constants in prediction.
template <class T>
struct ColumnNorm {
  NormParams<T> params;
  const T *mean, *var;
  bool training = false;
};

// The column of x that an Embedding takes its codes from, and their number K.
struct Codes {
  Size column, K;
};

// Codes below K, `step` elements apart: a column of a matrix.
template <class T>
struct CodesOf {
  const T* first;
  Size step, K;
  T at(Size n) const { return first[n * step]; }
};

// The bins of the I columns of a BinnedAffine: counts[i] of column i, which has as many rows of w.
// A plain column has 0, and one row.
struct Bins {
  const Size* counts;
  Size I;
  Size rows(Size i) const { return counts[i] ? counts[i] : 1; }
};
struct SomeBins {
  Bins bins;
  Range columns;
};

}  // namespace handnn
