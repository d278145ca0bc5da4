// A network's forward pass, which keeps nothing.
#pragma once

#include <vector>

#include "engine/brick.hpp"

namespace handnn {

// out (N, O) = what the brick makes of x (N, I) in prediction. Not for a fork and an add. scratch
// (kernels.scratch_size) is what it works in.
template <class T>
void forward_as_in_prediction(const Kernels<T>& kernels, const Brick<T>& brick, T* out, const T* x,
                              T* scratch, Size N);

// out (N, O of the last brick) = the network's output for x (N, I of the first).
// Runs in blocks of rows, so that what lies between two bricks stays in the cache. scratch
// (predict_scratch) is what it works in.
template <class T>
void predict(const Kernels<T>& kernels, const std::vector<Brick<T>>& bricks, T* out, const T* x,
             T* scratch, Size N);

template <class T>
Size predict_scratch(const Kernels<T>& kernels, const std::vector<Brick<T>>& bricks);

}  // namespace handnn
