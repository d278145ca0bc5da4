#include "engine/predict.hpp"

#include <algorithm>

#include "kernels/layers/embedding.hpp"

namespace handnn {

template <class T>
void embed(const CheckedBricks<T>& bricks, T* out, const T* x, Size N) {
  const std::vector<CodeColumn>& columns = bricks.code_columns();
  const Size I = bricks.inputs(), O = bricks[columns.size() - 1].O;
  Size vector = Size(bricks.plain_columns().size());
  for (const CodeColumn& of : columns) {
    const Brick<T>& brick = bricks[of.brick];
    const Size D = brick.vector_size();
    embedding_vectors<T>(out + vector, O, {x + of.column, I, of.codes}, brick.w.value, N, D);
    vector += D;
  }
  for (Size n = 0; n < N; ++n, x += I, out += O) {
    T* to = out;
    for (const Size column : bricks.plain_columns()) *to++ = x[column];
  }
}

template <class T>
void forward_as_in_prediction(const Kernels<T>& kernels, const Brick<T>& brick, T* out, const T* x,
                              T* scratch, Size N) {
  const Size I = brick.I, O = brick.O;
  const T *w = brick.w.value, *b = brick.b.value;
  switch (brick.kind) {
    case Kind::affine:
      return kernels.affine_forward(out, x, w, b, scratch, N, I, O);
    case Kind::binned_affine:
      return kernels.binned_affine_forward(out, x, w, b, brick.bin_counts(), scratch, N, O);
    case Kind::activation:
      return kernels.activations[brick.activation].forward(out, x, brick.setting, N * O);
    case Kind::softmax:
      return kernels.softmax_forward(out, x, N, O);
    case Kind::layer_norm:
      for (Size n = 0; n < N; ++n) {  // row by row, because mean and rstd are not kept
        kernels.layer_norm_forward(out + n * O, scratch, scratch + 1, x + n * O,
                                   brick.norm_params(), 1, O);
      }
      return;
    case Kind::batch_norm:
      return kernels.batch_norm_forward(
          out, x, {brick.norm_params(), brick.running_mean, brick.running_var}, N, O, {0, O});
    case Kind::embedding:
    case Kind::dropout:
    case Kind::fork:
    case Kind::add:
      return;
  }
}

template <class T>
Size brick_scratch(const Kernels<T>& kernels, const CheckedBricks<T>& bricks) {
  Size most = 0;
  for (const Brick<T>& brick : bricks) {
    if (brick.kind != Kind::binned_affine) continue;
    most = std::max(most, brick.w.size + brick.b.size);
  }
  return kernels.scratch_size + most;
}

namespace {

// The number of rows of a block. Small blocks keep the arrays between two bricks in the cache;
// large blocks amortize the packing of wide weights, which is repeated for each block.
Size rows_at_a_time(Size width) { return width <= 96 ? 64 : 256; }

}  // namespace

// One buffer for the input and one for the output of a brick, and one for each waiting fork.
template <class T>
Size predict_scratch(const Kernels<T>& kernels, const CheckedBricks<T>& bricks) {
  const Size width = bricks.widest();
  return brick_scratch(kernels, bricks) + (2 + bricks.depth()) * rows_at_a_time(width) * width;
}

template <class T>
void predict(const Kernels<T>& kernels, const CheckedBricks<T>& bricks, T* out, const T* x,
             T* scratch, Size N) {
  const Size width = bricks.widest(), most_rows = rows_at_a_time(width);
  T* const buffers = scratch + brick_scratch(kernels, bricks);
  std::size_t count = bricks.size();
  while (bricks[count - 1].kind == Kind::dropout) --count;
  for (Size n = 0; n < N; n += most_rows) {
    const Size rows = std::min(most_rows, N - n);
    const T* here = x + n * bricks.inputs();
    const T* waiting[max_nested];
    int depth = 0;
    const std::size_t embeddings = bricks.code_columns().size();
    if (embeddings > 0) {
      embed(bricks, buffers, here, rows);
      here = buffers;
    }
    const auto is_free = [&](const T* buffer) {
      return buffer != here && std::find(waiting, waiting + depth, buffer) == waiting + depth;
    };
    for (std::size_t i = embeddings; i < count; ++i) {
      const Brick<T>& brick = bricks[i];
      if (brick.kind == Kind::dropout) continue;
      if (brick.kind == Kind::fork) {
        waiting[depth++] = here;
        continue;
      }
      T* there = buffers;
      while (!is_free(there)) there += most_rows * width;
      if (i + 1 == count) there = out + n * brick.O;
      if (brick.kind == Kind::add) {
        kernels.add(there, here, waiting[--depth], rows * brick.O);
      } else {
        forward_as_in_prediction(kernels, brick, there, here, scratch, rows);
      }
      here = there;
    }
  }
}

#define HANDNN_FOR(T)                                                                          \
  template void embed(const CheckedBricks<T>&, T*, const T*, Size);                            \
  template void forward_as_in_prediction(const Kernels<T>&, const Brick<T>&, T*, const T*, T*, \
                                         Size);                                                \
  template Size brick_scratch(const Kernels<T>&, const CheckedBricks<T>&);                     \
  template Size predict_scratch(const Kernels<T>&, const CheckedBricks<T>&);                   \
  template void predict(const Kernels<T>&, const CheckedBricks<T>&, T*, const T*, T*, Size);
HANDNN_FOR(float)
HANDNN_FOR(double)
#undef HANDNN_FOR

}  // namespace handnn
