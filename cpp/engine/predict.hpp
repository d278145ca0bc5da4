// The forward pass of a network, for prediction.
#pragma once

#include "engine/checked.hpp"

namespace handnn {

// out (N, O of the last embedding) = its output for x (N, I of the first), without those of the
// others: the columns of x that are not codes, then the vectors.
template <class T>
void embed(const CheckedBricks<T>& bricks, T* out, const T* x, Size N);

// out (N, O) = the brick's output for x (N, I) in prediction, for bricks other than embedding, fork
// and add.
// scratch (brick_scratch) is working memory.
template <class T>
void forward_as_in_prediction(const Kernels<T>& kernels, const Brick<T>& brick, T* out, const T* x,
                              T* scratch, Size N);

// The number of elements of working memory that any of the bricks needs, forward and backward.
template <class T>
Size brick_scratch(const Kernels<T>& kernels, const CheckedBricks<T>& bricks);

// out (N, O of the last brick) = the network's output for x (N, I of the first).
// Runs in blocks of rows, so that the arrays between two bricks stay in the cache. scratch
// (predict_scratch) is working memory. Several threads may share the bricks.
template <class T>
void predict(const Kernels<T>& kernels, const CheckedBricks<T>& bricks, T* out, const T* x,
             T* scratch, Size N);

template <class T>
Size predict_scratch(const Kernels<T>& kernels, const CheckedBricks<T>& bricks);

}  // namespace handnn
