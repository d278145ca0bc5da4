// The bricks of a network in the only form in which the engine runs them: checked to fit together.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/brick.hpp"

namespace handnn {

// The column of x that an embedding takes its codes from.
struct CodeColumn {
  std::size_t brick;  // the index of the embedding
  Size column, codes;
};

// The number of rows of w that columns with these bins have: see Bins. -1 if a number is negative;
// throws std::invalid_argument if there are too many.
Size rows_of(const std::vector<Size>& bins);

// Bricks that index only their own arrays, for every x of inputs() columns: each array has the size
// that its brick's I and O imply, each brick takes the columns that the one before it returns,
// forks and adds pair up, no brick but embeddings precedes a binned_affine, and embeddings take
// their codes from columns of x. (Codes that are not rows of w are read as 0 by the kernels; the
// caller checks code_columns() first.)
//
// predict and TrainingProgram accept only CheckedBricks, which only the constructor can create.
template <class T>
class CheckedBricks {
 public:
  // Derives I and O of the bricks that do not fix them: of embeddings, whose O is the size D of a
  // vector here, and of all with I = 0. Throws std::invalid_argument if the bricks do not fit.
  explicit CheckedBricks(std::vector<Brick<T>> bricks);

  const Brick<T>& operator[](std::size_t i) const { return bricks_[i]; }
  std::size_t size() const { return bricks_.size(); }
  auto begin() const { return bricks_.begin(); }
  auto end() const { return bricks_.end(); }

  Size inputs() const { return bricks_.front().I; }
  Size outputs() const { return bricks_.back().O; }
  Size widest() const { return widest_; }  // the largest O
  int depth() const { return depth_; }     // the largest number of forks that wait for their add
  // Embeddings come first, so brick i is the i-th of them.
  const std::vector<CodeColumn>& code_columns() const { return code_columns_; }
  // The other columns of x, which precede the vectors in the output of the last embedding.
  const std::vector<Size>& plain_columns() const { return plain_columns_; }

 private:
  void pair_forks();
  void derive_widths();
  void derive_code_columns();

  std::vector<Brick<T>> bricks_;
  std::vector<CodeColumn> code_columns_;
  std::vector<Size> plain_columns_;
  Size widest_ = 0;
  int depth_ = 0;
};

extern template class CheckedBricks<float>;
extern template class CheckedBricks<double>;

}  // namespace handnn
