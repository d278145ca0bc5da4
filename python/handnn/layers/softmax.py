"""Softmax: turn every row into positive numbers that sum to 1."""

from __future__ import annotations

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, as_float
from handnn.layers.layer import Layer


class Softmax(Layer):
    """Turn every row into positive numbers that sum to 1: ``out = exp(x) / Σ_o exp(x)``.

    The derivative is a function of the output, so forward keeps only `out`. For training, use
    `SoftmaxCrossEntropy` on the logits instead of this brick.

    Shapes: x, out, dout and dx are (N, O) of the same dtype, float32 or float64.

    Examples:
        >>> layer = handnn.Softmax()
        >>> layer.forward([[0.0, np.log(3)]])
        array([[0.25, 0.75]])
        >>> layer.backward([[16.0, 0.0]])
        array([[ 3., -3.]])
    """

    kept = ("out",)
    bounds = (0.0, 1.0)
    kind = "softmax"
    width_change = 0
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
