"""Sigmoid: map every entry to the interval from 0 to 1."""

from __future__ import annotations

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, as_float
from handnn.layers.layer import Activation


class Sigmoid(Activation):
    """Map every entry to the interval from 0 to 1: ``out = 1 / (1 + exp(-x))``.

    The derivative is a function of the output, ``(1 - out)·out``, so forward keeps only `out`.

    Shapes: x, out, dout and dx have the same shape, of any number of dimensions, and the same
    dtype, float32 or float64.

    Examples:
        >>> layer = handnn.Sigmoid()
        >>> layer.forward([[0.0, np.log(3)]])
        array([[0.5 , 0.75]])
        >>> layer.backward([[1.0, 16.0]])
        array([[0.25, 3.  ]])
    """

    kind = "sigmoid"
    kept = ("out",)
    bounds = (0.0, 1.0)
    init = "xavier"
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
