"""Tanh: map every entry to the interval from -1 to 1."""

from __future__ import annotations

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, as_float
from handnn.layers.layer import Activation


class Tanh(Activation):
    """Map every entry to the interval from -1 to 1: ``out = tanh(x)``.

    The derivative is a function of the output, ``(1 - out)·(1 + out)``, so forward keeps only
    `out`.

    Shapes: x, out, dout and dx have the same shape, of any number of dimensions, and the same
    dtype, float32 or float64.

    Examples:
        >>> layer = handnn.Tanh()
        >>> layer.forward([[0.0, np.log(2)]])
        array([[0. , 0.6]])
        >>> layer.backward([[1.0, 1.0]])
        array([[1.  , 0.64]])
    """

    kind = "tanh"
    kept = ("out",)
    bounds = (-1.0, 1.0)
    init = "xavier"
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
