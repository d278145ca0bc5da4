"""Embedding: a vector of numbers, to be learnt, for every category."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from handnn import functional
from handnn.arrays import Array, as_float, float_dtype, in_own_lines, whole_number
from handnn.initializers import RandomSource
from handnn.layers.layer import Brick, Layer


class Embedding(Layer):
    """Replace a column of category codes by vectors: ``out = [x without the column, w[code]]``.

    x (N, I), w (K, D), out (N, I - 1 + D). Column `column` of x holds codes, whole numbers from 0
    to K - 1 in the network's dtype; the other columns keep their order, and those behind it move
    one to the left. So for several columns of codes put several bricks in a row: for codes in
    columns 1 and 3, ``Embedding(v, column=1), Embedding(w, column=2)``.

    The gradients are ``dw[k] = Σ dout's last D columns`` over the rows of code k, and dx is dout's
    other columns, 0 for the codes. (Bengio et al. 2003, section 2: the matrix C.)

    w decides the dtype: float32 and float64 stay, other real numbers become float64; x and dout are
    cast to it. `w` is the array given, not a copy, when it is of that dtype, C-contiguous and
    writable. Raises ValueError for shapes that do not fit, a column below 0, and on forward for a
    code that is no row of w; TypeError for other dtypes.
    """

    kind = "embedding"
    kept = ("x", "dw")
    formulas = (
        "out = [x without the column, w[code]]",
        "dx = dout's columns of x, 0 in the column of the codes",
        "dw[k] = Σ dout's last D columns over the rows of code k",
    )

    def __init__(self, w: ArrayLike, column: int = 0) -> None:
        self.w = np.require(as_float(w, None, "Embedding: w"), requirements=["C", "A", "W"])
        self.column = whole_number(column, "Embedding: column", 0)
        self.x: Array | None = None
        self.dw: Array | None = None
        if self.w.ndim != 2:
            raise ValueError(
                f"Embedding: w must have 2 dimensions (K, D), but has shape {self.w.shape}"
            )
        if len(self.w) > 2 ** (np.finfo(self.w.dtype).nmant + 1):
            raise ValueError(
                f"Embedding: w has {len(self.w)} rows, more than {self.w.dtype} tells apart"
            )

    @classmethod
    def random(
        cls,
        n_codes: int,
        n_out: int,
        column: int = 0,
        rng: RandomSource = None,
        dtype: DTypeLike = "float32",
    ) -> Embedding:
        """Return a brick for `n_codes` categories, of `n_out` numbers each, drawn from N(0, 1).

        So they are of the size of the standardised columns beside them, which is what the
        initializers of the next brick count on.
        """
        n_codes = whole_number(n_codes, "Embedding.random: n_codes")
        n_out = whole_number(n_out, "Embedding.random: n_out")
        dtype = float_dtype(dtype, "Embedding.random: dtype")
        w = np.random.default_rng(rng).normal(size=(n_codes, n_out))
        return cls(in_own_lines(w, dtype), column)

    def forward(self, x: ArrayLike) -> Array:
        """Return the columns of x without the codes, then w[code], and keep x."""
        x = as_float(x, self.w.dtype, "Embedding.forward: x")
        out = functional.embedding_forward(x, self.w, self.column)
        self.x = x
        return out

    def backward(self, dout: ArrayLike) -> Array:
        """Return dx, 0 in the column of the codes, and keep dw."""
        if self.x is None:
            raise RuntimeError("Embedding.backward: call forward first")
        dout = as_float(dout, self.w.dtype, "Embedding.backward: dout")
        dx, self.dw = functional.embedding_backward(dout, self.x, self.w, self.column)
        return dx

    @property
    def settings(self) -> dict[str, int]:
        """{"column": column}."""
        return {"column": self.column}

    @property
    def numbers(self) -> dict[str, int]:
        """{"column": column}."""
        return self.settings

    @property
    def params(self) -> dict[str, Array]:
        """{"w": w}, the array itself."""
        return {"w": self.w}

    @property
    def grads(self) -> dict[str, Array | None]:
        """{"w": dw}."""
        return {"w": self.dw}

    @property
    def grows(self) -> int:
        """D - 1: one column is replaced by D."""
        return int(self.w.shape[1]) - 1

    @property
    def least(self) -> int:
        """The columns x must have for there to be one of codes."""
        return self.column + 1

    def __repr__(self) -> str:
        """Name the brick, and from how many codes to how many columns: `Embedding 7→3 column=0`."""
        return f"Embedding {self.w.shape[0]}→{self.w.shape[1]} column={self.column}"


def code_columns(layers: Iterable[Brick], n_in: int) -> dict[int, Embedding]:
    """Return which of a network's `n_in` columns hold codes, and for which brick.

    Only Embeddings that come before every other brick take their codes from x.
    """
    found: dict[int, Embedding] = {}
    columns: list[int | None] = list(range(n_in))  # where each column comes from; None: from a w
    for layer in layers:
        if type(layer) is not Embedding or layer.column >= len(columns):
            break
        column = columns.pop(layer.column)
        columns += [None] * layer.w.shape[1]
        if column is not None:
            found[column] = layer
    return found


def check_codes(where: str, x: Array, column: int, brick: Embedding) -> None:
    """Raise ValueError, naming the row, when a code in this column of x is no row of the brick."""
    codes, count = x[:, column], len(brick.w)
    bad = ~((codes >= 0) & (codes < count) & (codes == np.trunc(codes)))
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(
            f"{where}: row {row} of x has code {float(codes[row])} in column {column}, "
            f"but w has {count} rows"
        )
