// Rows that do not train, whose loss is measured after each epoch.
#pragma once

#include "engine/arena.hpp"
#include "engine/predict.hpp"
#include "engine/program.hpp"

namespace handnn {

template <class T>
class HeldOut {
 public:
  // Keeps references to the bricks.
  HeldOut(const Kernels<T>& kernels, const CheckedBricks<T>& bricks, const LossSettings<T>& loss,
          const Rows<T>& rows)
      : kernels_(kernels), bricks_(bricks), loss_(loss), rows_(rows) {
    for (int pass = 0; pass < 2; ++pass) {
      out_ = arena_.take<T>(rows.count, bricks.outputs());
      scratch_ = arena_.take<T>(predict_scratch(kernels, bricks));
      if (pass == 0) arena_.commit();
    }
  }

  // The loss of the network's predictions with its current params.
  double loss() {
    predict(kernels_, bricks_, out_, rows_.x, scratch_, rows_.count);
    return kernels_.losses[loss_.which].forward(out_, rows_.y_true, rows_.weight, loss_.options,
                                                rows_.count, bricks_.outputs());
  }

 private:
  const Kernels<T>& kernels_;
  const CheckedBricks<T>& bricks_;
  LossSettings<T> loss_;
  Rows<T> rows_;
  Arena arena_;
  T *out_ = nullptr, *scratch_ = nullptr;
};

}  // namespace handnn
