"""Softmax: turn the numbers of a row into probabilities."""

from __future__ import annotations

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, as_float
from handnn.layers.layer import Layer


class Softmax(Layer):
    """Turn the numbers of a row into probabilities: ``out_o = exp(x_o) / Σ_k exp(x_k)``.

    The largest of the row is subtracted first, which changes nothing but keeps exp finite. (Bridle
    1990.) To classify, leave it out and train with `SoftmaxCrossEntropy`, which has it inside; it
    is for what follows `predict`, and for weights that add up to 1.

    x, out, dout and dx (N, O); ``dx = out·(dout - Σ_o dout·out)``.
    """

    kind = "softmax"
    kept = ("out",)
    grows = 0

    def __init__(self) -> None:
        self.out: Array | None = None

    def forward(self, x: ArrayLike) -> Array:
        """Return the probabilities of each row, and keep them."""
        self.out = functional.softmax_forward(x)
        return self.out

    def backward(self, dout: ArrayLike) -> Array:
        """Return dx = out·(dout - Σ_o dout·out)."""
        if self.out is None:
            raise RuntimeError("Softmax.backward: call forward first")
        dout = as_float(dout, self.out.dtype, "Softmax.backward: dout")
        return functional.softmax_backward(dout, self.out)
