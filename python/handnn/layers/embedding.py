"""Embedding: a learned vector for every category."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from handnn import functional
from handnn.arrays import Array, as_float, float_dtype, in_own_lines, whole_number
from handnn.initializers import RandomSource, generator
from handnn.layers.layer import Brick, Layer, matrix_shape, writable


class Embedding(Layer):
    """Replace a column of category codes by vectors: ``out = [x without the column, w[code]]``.

    Column `column` of x holds codes, integers from 0 to K - 1 in the network's dtype. The other
    columns keep their order, and the vectors follow them. For several columns of codes, use several
    bricks; `column` counts the columns after the preceding bricks. For codes in columns 1 and 3:
    ``Embedding(v, column=1), Embedding(w, column=2)``.

    dw[k] is the sum of the last D columns of dout over the rows with code k. dx is the other
    columns of dout, with 0 in the column of the codes. (Bengio et al. 2003, section 2: the matrix
    C.)

    Shapes: x (N, I), w (K, D), out (N, I - 1 + D).

    w determines the dtype: float32 and float64 are kept, other real numbers become float64; x and
    dout are converted to it. A w that already has this dtype and is C-contiguous and writable is
    used without a copy.

    Raises:
        ValueError: If w is not two-dimensional or has more rows than its dtype can count, if
            `column` is negative, or, in forward, if a code is not a row of w.
        TypeError: If w does not hold real numbers.

    Examples:
        >>> layer = handnn.Embedding(w=[[0.5, 1.0], [2.0, 3.0]], column=0)
        >>> layer.forward([[1, 7], [0, 8]])
        array([[7. , 2. , 3. ],
               [8. , 0.5, 1. ]])
    """

    kind = "embedding"
    kept = ("x", "dw")
    formulas = (
        "out = [x without the column, w[code]]",
        "dx = dout's columns of x, 0 in the column of the codes",
        "dw[k] = Σ dout's last D columns over the rows of code k",
    )

    def __init__(self, w: ArrayLike, column: int = 0) -> None:
        self.w = writable(w, None, "Embedding: w")
        self.column = whole_number(column, "Embedding: column", 0)
        self.x: Array | None = None
        self.dw: Array | None = None
        if self.w.ndim != 2:
            advice = f"; for random vectors write Embedding.random({w!r}, {column!r})"
            raise ValueError(
                f"Embedding: w must have 2 dimensions (K, D), but has shape {self.w.shape}"
                f"{'' if self.w.ndim else advice}"
            )
        if len(self.w) > 2 ** (np.finfo(self.w.dtype).nmant + 1):
            raise ValueError(
                f"Embedding: w has {len(self.w)} rows, more than {self.w.dtype} can count"
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
        """Return a brick for `n_codes` categories with vectors of length `n_out` from N(0, 1).

        Their scale is that of standardized columns, which the initializers of the next brick
        assume.

        Examples:
            >>> handnn.Embedding.random(7, 3, rng=0)
            Embedding 7→3 column=0
        """
        n_codes = whole_number(n_codes, "Embedding.random: n_codes")
        n_out = whole_number(n_out, "Embedding.random: n_out")
        dtype = float_dtype(dtype, "Embedding.random: dtype")
        w = generator(rng, "Embedding.random: rng").normal(size=(n_codes, n_out))
        return cls(in_own_lines(w, dtype), column)

    def forward(self, x: ArrayLike) -> Array:
        """Return the columns of x without the codes, followed by w[code], and keep x."""
        x = as_float(x, self.w.dtype, "Embedding.forward: x")
        out = functional.embedding_forward(x, self.w, self.column)
        self.x = x
        return out

    def backward(self, dout: ArrayLike) -> Array:
        """Return dx, with 0 in the column of the codes, and keep dw."""
        if self.x is None:
            raise RuntimeError("Embedding.backward: call forward first")
        dout = as_float(dout, self.w.dtype, "Embedding.backward: dout")
        dx, self.dw = functional.embedding_backward(dout, self.x, self.w, self.column)
        return dx

    @property
    def settings(self) -> dict[str, int]:
        """Return {"column": column}."""
        return {"column": self.column}

    @property
    def numbers(self) -> dict[str, int]:
        """Return {"column": column}."""
        return self.settings

    @property
    def params(self) -> dict[str, Array]:
        """Return {"w": w}, not a copy."""
        return {"w": self.w}

    @property
    def grads(self) -> dict[str, Array | None]:
        """Return {"w": dw}."""
        return {"w": self.dw}

    @property
    def width_change(self) -> int:
        """D - 1: D columns replace one."""
        return matrix_shape(self.w, "Embedding: w")[1] - 1

    @property
    def min_columns(self) -> int:
        """The smallest x that has the column of codes."""
        return self.column + 1

    def __repr__(self) -> str:
        """Return the name, K, D and the column: `Embedding 7→3 column=0`."""
        n_codes, n_out = matrix_shape(self.w, "Embedding: w")
        return f"Embedding {n_codes}→{n_out} column={self.column}"


def code_columns(layers: Iterable[Brick], n_in: int) -> dict[int, Embedding]:
    """Return the columns of a network's input (N, n_in) that hold codes, each with its brick.

    Only Embeddings before all other bricks read their codes from the input.
    """
    found: dict[int, Embedding] = {}
    columns: list[int | None] = list(
        range(n_in)
    )  # the input column of each output column; None if it comes from w
    for layer in layers:
        if type(layer) is not Embedding or layer.column >= len(columns):
            break
        column = columns.pop(layer.column)
        columns += [None] * matrix_shape(layer.w, "Embedding: w")[1]
        if column is not None:
            found[column] = layer
    return found


def check_codes(where: str, x: Array, column: int, brick: Embedding) -> None:
    """Raise ValueError, naming the row, if a code in this column of x is not a row of w."""
    codes, count = x[:, column], len(brick.w)
    bad = ~((codes >= 0) & (codes < count) & (codes == np.trunc(codes)))
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(
            f"{where}: row {row} of x has code {float(codes[row])} in column {column}, "
            f"but w has {count} rows"
        )
