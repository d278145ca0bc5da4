"""Softmax: turn every row into shares of 1."""

from __future__ import annotations

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, as_float
from handnn.layers.layer import Layer


class Softmax(Layer):
    """Turn every row into shares of 1: ``out = exp(x) / Σ_o exp(x)``.

    As each output depends on all inputs of its row, so does its slope; it follows from the outputs
    alone, and `out` is all that forward keeps. x, out, dout and dx are (N, O) of one dtype, float32
    or float64.
    """

    kept = ("out",)
    bounds = (0.0, 1.0)
    kind = "softmax"
    grows = 0
    formulas = ("out = exp(x) / Σ_o exp(x)", "dx = out·(dout - Σ_o dout·out)")

    def __init__(self) -> None:
        self.out: Array | None = None

    def forward(self, x: ArrayLike) -> Array:
        """Return out = exp(x) / Σ_o exp(x), and keep it."""
        self.out = functional.softmax_forward(x)
        return self.out

    def backward(self, dout: ArrayLike) -> Array:
        """Return dx = out·(dout - Σ_o dout·out)."""
        if self.out is None:
            raise RuntimeError("Softmax.backward: call forward first")
        dout = as_float(dout, self.out.dtype, "Softmax.backward: dout")
        return functional.softmax_backward(dout, self.out)
