"""Tanh: squash every entry into the interval from -1 to 1."""

from __future__ import annotations

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, as_float
from handnn.layers.layer import Activation


class Tanh(Activation):
    """Squash every entry into the interval from -1 to 1: ``out = tanh(x)``.

    Its slope follows from the output alone, ``d out / d x = (1 - out)·(1 + out)``, so `out` is all
    that forward keeps. x, out, dout and dx have one shape, any, and one
    dtype, float32 or float64.
    """

    kind = "tanh"
    kept = ("out",)
    bounds = (-1.0, 1.0)
    formulas = ("out = tanh(x)", "dx = dout·(1 - out)·(1 + out)")

    def __init__(self) -> None:
        self.out: Array | None = None

    def forward(self, x: ArrayLike) -> Array:
        """Return out = tanh(x), and keep it."""
        self.out = functional.tanh_forward(x)
        return self.out

    def backward(self, dout: ArrayLike) -> Array:
        """Return dx = dout·(1 - out)·(1 + out)."""
        if self.out is None:
            raise RuntimeError("Tanh.backward: call forward first")
        dout = as_float(dout, self.out.dtype, "Tanh.backward: dout")
        return functional.tanh_backward(dout, self.out)
