"""Residual: add the output of a block of bricks to its input."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from handnn.arrays import Array, as_float, elements, float_dtype
from handnn.layers import sequence
from handnn.layers.layer import Brick

MAX_DEPTH = 32
"""The deepest nesting of blocks, far below Python's recursion limit."""


class Residual(sequence.Container):
    """Add the output of a block of bricks to its input: ``out = x + block(x)``.

    The gradient is ``dx = dout + block's dx``: dout also reaches the bricks before the block
    directly. (He, Zhang, Ren and Sun 2016, eq. 1; the block of its Figure 2 is
    ``Residual([Affine, ReLU, Affine])``, followed by a ReLU.)

    Shapes: x, out, dout and dx have the same shape.

    block: a list of bricks, or a Network, whose bricks are used. Their params are named "0.w",
    "2.b", ... within the block.

    Raises:
        TypeError: If an element is not a brick, or float32 and float64 are mixed.
        ValueError: If the block is empty, if widths of neighbors or of the two ends differ, or if
            blocks are nested more than 32 deep.

    Examples:
        >>> layer = handnn.Residual([handnn.ReLU()])
        >>> layer.forward([[-1.0, 2.0]])
        array([[-1.,  4.]])
        >>> layer.backward([[1.0, 1.0]])
        array([[1., 2.]])
    """

    kind = "residual"
    width_change = 0
    formulas = ("out = x + block(x)", "dx = dout + block's dx")

    def __init__(self, block: Iterable[Brick]) -> None:
        block = getattr(block, "layers", block)
        if not hasattr(block, "__iter__"):
            raise TypeError(f"Residual: block must be a list of bricks, but is {block!r}")
        self.block: list[Brick] = elements(block, "Residual: block")
        inner = [brick.depth for brick in self.block if isinstance(brick, Residual)]
        self.depth: int = 1 + max(inner, default=0)
        if self.depth > MAX_DEPTH:
            raise ValueError(f"Residual: blocks are nested more than {MAX_DEPTH} deep")
        sequence.check_bricks("Residual", self.block)
        params = sequence.first_params(self.block)
        sequence.check_dtypes("Residual", params)
        self.first = dict(list(params.items())[:1])
        sizes = sequence.sizes("Residual", self.block)
        self._width = sizes.get("in", sizes.get("out"))
        if self._width != sizes.get("out", self._width):
            raise ValueError(
                f"Residual: the block expects {sizes['in']} columns but returns {sizes['out']}"
            )
        change = sequence.width_change(self.block)
        if change:
            raise ValueError(
                f"Residual: the output of the block is {change} columns wider than its input"
            )

    @property
    def training(self) -> bool:
        """Whether forward trains; setting it also sets it for the block."""
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
        """Return dx = dout + block's dx; every brick of the block keeps its own gradients."""
        dout = as_float(dout, sequence.dtype(self.block), "Residual.backward: dout")
        dx = dout
        for brick in reversed(self.block):
            dx = brick.backward(dx)
        return _sum(dout, dx, "backward", "dout")

    @property
    def sizes(self) -> dict[str, int]:
        """Return {"in": I, "out": I} if the block fixes its width, else {}."""
        return {} if self._width is None else {"in": self._width, "out": self._width}

    def astype(self, dtype: DTypeLike) -> Residual:
        """Return a new brick with copies of all arrays in `dtype`: see `Network.astype`."""
        dtype = float_dtype(dtype, "Residual.astype: dtype")
        return Residual(sequence.astype("Residual", brick, dtype) for brick in self.block)

    def __repr__(self) -> str:
        """Return the bricks of the block: `Residual(Affine 8→8, ReLU)`."""
        return f"Residual({', '.join(map(sequence.name, self.block))})"


def _sum(a: Array, b: Array, where: str, given: str) -> Array:
    """Return a + b; raise ValueError if their shapes differ."""
    if np.shape(b) != a.shape:
        raise ValueError(
            f"Residual.{where}: {given} has shape {a.shape} but the block returns {np.shape(b)}"
        )
    with np.errstate(all="ignore"):  # inf - inf is NaN without a warning, as in the kernels
        total: Array = a + np.asarray(b, a.dtype)
    return total
