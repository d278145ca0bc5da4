// The codes that an Embedding looks up.
#pragma once

#include <cmath>
#include <string>

#include "arrays.hpp"

namespace handnn {

// Raises ValueError, with the row, unless column `column` of x (N, I) holds integers from 0 to K -
// 1.
template <class T>
void require_codes(const Gate& gate, const T* x, Size N, Size I, Size K, Size column) {
  for (Size n = 0; n < N; ++n) {
    const T code = x[n * I + column];
    if (code >= 0 && code < T(K) && code == std::floor(code)) continue;
    gate.bad_value("row ", n, " of x has code ", text_of(py::float_(double(code))), " in column ",
                   column, ", but w has ", K, " rows");
  }
}

}  // namespace handnn
