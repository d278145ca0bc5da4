"""Softplus: a smooth approximation of ReLU."""

from __future__ import annotations

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, as_float
from handnn.layers.layer import Activation


class Softplus(Activation):
    """Approximate ReLU by a smooth function: ``out = log(1 + exp(x))``.

    Computed as ``max(x, 0) + log(1 + exp(-|x|))``, which does not overflow. The derivative is
    sigmoid(x). (Dugas et al. 2001.)

    Shapes: x, out, dout and dx have the same shape, of any number of dimensions, and the same
    dtype, float32 or float64.

    Examples:
        >>> layer = handnn.Softplus()
        >>> layer.forward([[-1.0, 0.0, 1000.0]]).round(4)
        array([[3.133e-01, 6.931e-01, 1.000e+03]])
        >>> layer.backward([[1.0, 1.0, 1.0]]).round(4)
        array([[0.2689, 0.5   , 1.    ]])
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
