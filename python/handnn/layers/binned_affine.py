"""BinnedAffine: the Affine of columns with bins, which takes positions in place of bins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, as_float
from handnn.layers.layer import Layer, matrix_shape, writable


class BinnedAffine(Layer):
    """Compute ``out = x'·w + b``, where x' are the columns of x, some of them expanded into bins.

    A column of B bins holds positions v from 0 to B, and input k of its bins is
    ``clip(v - k, 0, 1) - 1/2``. All inputs but one are -1/2 or 1/2. So the brick adds up the rows
    of w once for a batch, and then needs two rows of numbers for each position instead of B.

    Here it is written as this formula; the compiled engine computes it as described, with other
    rounding errors. It takes the place of an Affine while the networks of a table are trained: see
    `tables.positions`. It is not in `BRICKS`, so files and exports do not have it.

    Shapes: x (N, I), w (R, O), b (O,), out (N, O).

    bins: (I,) the number of bins of each column of x, and of its rows of w; 0 for a plain column,
    which has one row. Arrays are used without a copy, as by Affine. Raises ValueError for arrays
    of other shapes.
    """

    kind = "binned_affine"
    kept = ("x", "dw", "db")

    def __init__(self, w: ArrayLike, b: ArrayLike, bins: Iterable[int]) -> None:
        self.w = writable(w, None, "BinnedAffine: w")
        self.b = writable(b, self.w.dtype, "BinnedAffine: b")
        self.bins = tuple(bins)
        self.x: Array | None = None
        self.dw: Array | None = None
        self.db: Array | None = None
        n_rows, n_out = matrix_shape(self.w, "BinnedAffine: w")
        if n_rows != sum(max(1, count) for count in self.bins) or self.b.shape != (n_out,):
            raise ValueError(f"BinnedAffine: b or bins do not fit w of shape {self.w.shape}")

    def forward(self, x: ArrayLike) -> Array:
        """Return out, and keep x."""
        self.x = as_float(x, self.w.dtype, "BinnedAffine.forward: x")
        return functional.affine_forward(self._expanded(self.x), self.w, self.b)

    def backward(self, dout: ArrayLike) -> Array:
        """Return dx, and keep dw and db."""
        if self.x is None:
            raise RuntimeError("BinnedAffine.backward: call forward first")
        dout = as_float(dout, self.w.dtype, "BinnedAffine.backward: dout")
        inputs = self._expanded(self.x)
        slopes, self.dw, self.db = functional.affine_backward(dout, inputs, self.w)
        dx = np.empty_like(self.x)
        for at, row, count in self._rows():
            v, part = self.x[:, at, None] - np.arange(count), slopes[:, row : row + max(1, count)]
            dx[:, at] = (part * ((v >= 0) & (v < 1))).sum(axis=1) if count else part[:, 0]
        return dx

    def _expanded(self, x: Array) -> Array:
        """Return x' (N, R)."""
        out = np.empty((len(x), len(self.w)), x.dtype)
        for at, row, count in self._rows():
            v = x[:, at, None] - np.arange(count)
            out[:, row : row + max(1, count)] = np.clip(v, 0, 1) - 0.5 if count else x[:, [at]]
        return out

    def _rows(self) -> Iterator[tuple[int, int, int]]:
        """Yield for each column of x its index, its first row of w, and its number of bins."""
        row = 0
        for at, count in enumerate(self.bins):
            yield at, row, count
            row += max(1, count)

    @property
    def settings(self) -> dict[str, tuple[int, ...]]:
        """Return {"bins": bins}."""
        return {"bins": self.bins}

    @property
    def numbers(self) -> dict[str, tuple[int, ...]]:
        """Return {"bins": bins}."""
        return self.settings

    @property
    def params(self) -> dict[str, Array]:
        """Return {"w": w, "b": b}, not copies."""
        return {"w": self.w, "b": self.b}

    @property
    def grads(self) -> dict[str, Array | None]:
        """Return {"w": dw, "b": db}."""
        return {"w": self.dw, "b": self.db}

    @property
    def sizes(self) -> dict[str, int]:
        """Return {"in": I, "out": O}."""
        return {"in": len(self.bins), "out": matrix_shape(self.w, "BinnedAffine: w")[1]}
