"""Residual: bricks that learn what is to be added to their input."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from handnn.arrays import Array, as_float, float_dtype
from handnn.layers import sequence
from handnn.layers.layer import Brick, Layer

DEEPEST = 32
"""How deep blocks may be nested: far more than sense makes, and far less than Python's stack."""


class Residual(Layer):
    """Add what a block of bricks makes of x to x: ``out = x + block(x)``.

    x, out, dout and dx have one shape; the gradient is ``dx = dout + block's dx``, so it reaches
    the bricks before undiminished. (He, Zhang, Ren and Sun 2016, eq. 1; its Figure 2 is
    ``Residual([Affine, ReLU, Affine])`` and a ReLU behind.)

    block: bricks in a row, or a Network, whose bricks are then the block. Their params are named
    "0.w", "2.b", ... within it. Raises TypeError when one is no brick or when float32 and float64
    are mixed; ValueError when there is none, when neighbours or the two ends of the block do not
    fit, or when blocks are nested more than 32 deep.
    """

    kind = "residual"
    grows = 0
    formulas = ("out = x + block(x)", "dx = dout + block's dx")

    def __init__(self, block: Iterable[Brick]) -> None:
        block = getattr(block, "layers", block)
        if not hasattr(block, "__iter__"):
            raise TypeError(f"Residual: block must be a list of bricks, but is {block!r}")
        self.block: list[Brick] = list(block)
        inner = [brick.depth for brick in self.block if isinstance(brick, Residual)]
        self.depth: int = 1 + max(inner, default=0)
        if self.depth > DEEPEST:
            raise ValueError(f"Residual: blocks are nested more than {DEEPEST} deep")
        sequence.check_bricks("Residual", self.block)
        sequence.check_dtypes("Residual", self.params)
        sizes = sequence.sizes("Residual", self.block)
        self._width = sizes.get("in", sizes.get("out"))  # of both ends
        if self._width != sizes.get("out", self._width):
            raise ValueError(
                f"Residual: the block takes {sizes['in']} columns but gives {sizes['out']}"
            )
        growth = sequence.growth(self.block)
        if growth:
            raise ValueError(f"Residual: the block gives {growth} columns more than it takes")

    @property
    def training(self) -> bool:
        """Whether forward trains; setting it sets that of the block too."""
        return self._training

    @training.setter
    def training(self, training: bool) -> None:
        self._training = bool(training)
        sequence.train(self.block, self._training)

    _training = True

    def forward(self, x: ArrayLike) -> Array:
        """Return out = x + block(x)."""
        x = as_float(x, sequence.dtype(self.block), "Residual.forward: x")
        out = x
        for brick in self.block:
            out = brick.forward(out)
        return _sum(x, out, "forward", "x")

    def backward(self, dout: ArrayLike) -> Array:
        """Return dx = dout + the block's dx; every brick in it keeps its own gradients."""
        dout = as_float(dout, sequence.dtype(self.block), "Residual.backward: dout")
        dx = dout
        for brick in reversed(self.block):
            dx = brick.backward(dx)
        return _sum(dout, dx, "backward", "dout")

    @property
    def params(self) -> dict[str, Array]:
        """The params of the block's bricks, named "0.w", "2.b", ...: the arrays themselves."""
        return sequence.params(self.block)

    @property
    def buffers(self) -> dict[str, Array]:
        """The buffers of the block's bricks, by the same names."""
        return sequence.buffers(self.block)

    @property
    def grads(self) -> dict[str, Array | None]:
        """The gradients of the last `backward`, by the names of `params`."""
        return sequence.grads(self.block)

    @property
    def sizes(self) -> dict[str, int]:
        """{"in": I, "out": I} where the block fixes its number of columns."""
        return {} if self._width is None else {"in": self._width, "out": self._width}

    def astype(self, dtype: DTypeLike) -> Residual:
        """Return the same brick anew, its params copied to `dtype`: see `Network.astype`."""
        dtype = float_dtype(dtype, "Residual.astype: dtype")
        return Residual(sequence.astype("Residual", brick, dtype) for brick in self.block)

    def __repr__(self) -> str:
        """Name the bricks of the block: `Residual(Affine 8→8, ReLU)`."""
        return f"Residual({', '.join(map(sequence.name, self.block))})"


def _sum(a: Array, b: Any, where: str, given: str) -> Array:
    if np.shape(b) != a.shape:
        raise ValueError(
            f"Residual.{where}: {given} has shape {a.shape} but the block makes {np.shape(b)} of it"
        )
    with np.errstate(all="ignore"):  # infinities go where they go, as in the kernels
        total: Array = a + np.asarray(b, a.dtype)
    return total
