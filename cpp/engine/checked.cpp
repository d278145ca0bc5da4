#include "engine/checked.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

namespace handnn {

namespace {

[[noreturn]] void refuse(const std::string& what) { throw std::invalid_argument(what); }

// a + b, neither negative.
Size sum_of(Size a, Size b) {
  Size sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) refuse("the bricks have too many columns");
  return sum;
}

template <class T>
bool has(const Param<T>& param, Size rows, Size columns) {
  Size size = 0;
  return param.value && !__builtin_mul_overflow(rows, columns, &size) && param.size == size;
}

// Whether the arrays and settings of a brick are those that its kind, I and O imply; D = O of an
// embedding.
template <class T>
bool is_whole(const Brick<T>& brick) {
  const Size I = brick.I, O = brick.O;
  switch (brick.kind) {
    case Kind::affine:
      return I >= 1 && O >= 1 && has(brick.w, I, O) && has(brick.b, 1, O);
    case Kind::binned_affine:
      return I >= 1 && O >= 1 && Size(brick.bins.size()) == I &&
             has(brick.w, rows_of(brick.bins), O) && has(brick.b, 1, O);
    case Kind::batch_norm:
      if (!brick.running_mean || !brick.running_var) return false;
      [[fallthrough]];
    case Kind::layer_norm:
      return I >= 1 && I == O && has(brick.w, 1, O) && has(brick.b, 1, O);
    case Kind::embedding:
      return brick.codes >= 1 && O >= 0 && has(brick.w, brick.codes, O);
    case Kind::activation:
      return brick.activation >= 0 && brick.activation < activation_count;
    case Kind::dropout:
      return brick.p >= 0 && brick.p < 1;
    case Kind::softmax:
    case Kind::fork:
    case Kind::add:
      return true;
  }
  return false;
}

// Whether a brick determines its number of columns by itself.
template <class T>
bool fixes_width(const Brick<T>& brick) {
  return brick.is_affine() || brick.kind == Kind::layer_norm || brick.kind == Kind::batch_norm;
}

}  // namespace

Size rows_of(const std::vector<Size>& bins) {
  Size rows = 0;
  for (const Size count : bins) {
    if (count < 0) return -1;
    rows = sum_of(rows, count ? count : 1);
  }
  return rows;
}

template <class T>
CheckedBricks<T>::CheckedBricks(std::vector<Brick<T>> bricks) : bricks_(std::move(bricks)) {
  for (const Brick<T>& brick : bricks_) {
    if (!is_whole(brick)) refuse("an array or a setting does not fit its brick");
  }
  pair_forks();
  derive_widths();
  derive_code_columns();
}

template <class T>
void CheckedBricks<T>::pair_forks() {
  std::vector<std::size_t> waiting;
  for (std::size_t i = 0; i < bricks_.size(); ++i) {
    if (bricks_[i].kind == Kind::fork) {
      waiting.push_back(i);
      if (waiting.size() > max_nested) refuse("blocks are nested too deeply");
      depth_ = std::max(depth_, int(waiting.size()));
    } else if (bricks_[i].kind == Kind::add) {
      if (waiting.empty() || waiting.back() + 1 == i) refuse("an add has no fork");
      bricks_[i].fork = waiting.back();
      waiting.pop_back();
    }
  }
  if (!waiting.empty()) refuse("a fork has no add");
}

// From the first brick that fixes its width back to x, and from there to the end.
template <class T>
void CheckedBricks<T>::derive_widths() {
  std::size_t first = 0;
  while (first < bricks_.size() && !fixes_width(bricks_[first])) ++first;
  if (first == bricks_.size()) refuse("no brick fixes the number of columns");
  Size width = bricks_[first].I;
  for (std::size_t i = first; i-- > 0;) {
    if (bricks_[i].kind == Kind::embedding) width += 1 - bricks_[i].O;
    if (width < 1) refuse("bricks do not fit");
  }
  for (Brick<T>& brick : bricks_) {
    if (brick.kind == Kind::embedding) {
      if (brick.column < 0 || brick.column >= width)
        refuse("an embedding's column of codes does not exist");
      brick.I = width;
      brick.O = sum_of(brick.O, width - 1);
    } else if (!fixes_width(brick)) {
      brick.I = brick.O = width;
    }
    if (brick.I != width || brick.O < 1) refuse("bricks do not fit");
    if (brick.kind == Kind::add && bricks_[brick.fork].O != width) {
      refuse("a block changes the width");
    }
    width = brick.O;
    widest_ = std::max(widest_, width);
  }
}

template <class T>
void CheckedBricks<T>::derive_code_columns() {
  std::vector<Size>& left = plain_columns_;
  for (Size column = 0; column < inputs(); ++column) left.push_back(column);
  bool computes = false;  // whether a brick other than an embedding came before
  for (std::size_t i = 0; i < bricks_.size(); ++i) {
    const Brick<T>& brick = bricks_[i];
    if (brick.kind != Kind::embedding) {
      if (brick.kind == Kind::binned_affine) {
        if (computes) refuse("positions come from a computed column");
        for (Size vector = inputs() - Size(i); vector < brick.I; ++vector) {
          if (brick.bins[std::size_t(vector)]) refuse("the vector of an embedding has bins");
        }
      }
      computes = true;
      continue;
    }
    if (computes || brick.column >= Size(left.size())) {
      refuse("an embedding takes its codes from a computed column");
    }
    const auto column = left.begin() + std::ptrdiff_t(brick.column);
    code_columns_.push_back({i, *column, brick.codes});
    left.erase(column);
  }
}

template class CheckedBricks<float>;
template class CheckedBricks<double>;

}  // namespace handnn
