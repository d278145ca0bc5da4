"""Softplus: a ReLU with its corner rounded off."""

from __future__ import annotations

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, as_float
from handnn.layers.layer import Activation


class Softplus(Activation):
    """A ReLU with its corner rounded off: ``out = log(1 + exp(x))``.

    Computed as max(x, 0) + log(1 + exp(-|x|)), which is stable for every x. The slope is
    sigmoid(x).
    x, out, dout and dx have one shape, any, and one dtype, float32 or float64.
    """

    kind = "softplus"
    kept = ("x",)
    formulas = ("out = log(1 + exp(x))", "dx = dout·sigmoid(x)")

    def __init__(self) -> None:
        self.x: Array | None = None

    def forward(self, x: ArrayLike) -> Array:
        """Return out = log(1 + exp(x)), and keep x."""
        self.x = as_float(x, None, "Softplus.forward: x")
        return functional.softplus_forward(self.x)

    def backward(self, dout: ArrayLike) -> Array:
        """Return dx = dout·sigmoid(x)."""
        if self.x is None:
            raise RuntimeError("Softplus.backward: call forward first")
        dout = as_float(dout, self.x.dtype, "Softplus.backward: dout")
        return functional.softplus_backward(dout, self.x)
