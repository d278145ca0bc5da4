"""SiLU: scale every entry by its own sigmoid."""

from __future__ import annotations

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, as_float
from handnn.layers.layer import Activation


class SiLU(Activation):
    """Scale every entry by its own sigmoid: ``out = x·sigmoid(x)``.

    (Elfwing, Uchibe and Doya 2018, eq. 4; also called Swish.)

    Shapes: x, out, dout and dx have the same shape, of any number of dimensions, and the same
    dtype, float32 or float64.

    Examples:
        >>> layer = handnn.SiLU()
        >>> layer.forward([[-1.0, 0.0, 1.0]]).round(4)
        array([[-0.2689,  0.    ,  0.7311]])
        >>> layer.backward([[1.0, 1.0, 1.0]]).round(4)
        array([[0.0723, 0.5   , 0.9277]])
    """

    kind = "silu"
    kept = ("x",)
    formulas = ("out = x·sigmoid(x)", "dx = dout·(s + x·s·(1 - s)), s = sigmoid(x)")

    def __init__(self) -> None:
        self.x: Array | None = None

    def forward(self, x: ArrayLike) -> Array:
        """Return out = x·sigmoid(x), and keep x."""
        self.x = as_float(x, None, "SiLU.forward: x")
        return functional.silu_forward(self.x)

    def backward(self, dout: ArrayLike) -> Array:
        """Return dx = dout·(s + x·s·(1 - s)) with s = sigmoid(x)."""
        if self.x is None:
            raise RuntimeError("SiLU.backward: call forward first")
        dout = as_float(dout, self.x.dtype, "SiLU.backward: dout")
        return functional.silu_backward(dout, self.x)
