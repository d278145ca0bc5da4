"""Sigmoid: squash every entry into the interval from 0 to 1."""

from __future__ import annotations

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, as_float
from handnn.layers.layer import Activation


class Sigmoid(Activation):
    """Squash every entry into the interval from 0 to 1: ``out = 1 / (1 + exp(-x))``.

    Its slope follows from the output alone, ``d out / d x = (1 - out)·out``, so `out` is all that
    forward keeps. x, out, dout and dx have one shape, any, and one dtype, float32 or float64.
    """

    kind = "sigmoid"
    kept = ("out",)
    bounds = (0.0, 1.0)
    formulas = ("out = 1 / (1 + exp(-x))", "dx = dout·(1 - out)·out")

    def __init__(self) -> None:
        self.out: Array | None = None

    def forward(self, x: ArrayLike) -> Array:
        """Return out = 1 / (1 + exp(-x)), and keep it."""
        self.out = functional.sigmoid_forward(x)
        return self.out

    def backward(self, dout: ArrayLike) -> Array:
        """Return dx = dout·(1 - out)·out."""
        if self.out is None:
            raise RuntimeError("Sigmoid.backward: call forward first")
        dout = as_float(dout, self.out.dtype, "Sigmoid.backward: dout")
        return functional.sigmoid_backward(dout, self.out)
