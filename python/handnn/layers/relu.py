"""ReLU: pass positive entries and set negative ones to 0."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handnn import functional
from handnn.arrays import Array, as_float
from handnn.layers.layer import Activation


class ReLU(Activation):
    """Pass positive entries and set negative ones to 0: ``out = 0 where x < 0, x elsewhere``.

    The derivative is 0 where x < 0 and 1 elsewhere, including x = 0. NaN passes through.

    Shapes: x, out, dout and dx have the same shape, of any number of dimensions, and the same
    dtype, float32 or float64.

    Examples:
        >>> layer = handnn.ReLU()
        >>> layer.forward([[-2.0, 0.0, 3.0]])
        array([[0., 0., 3.]])
        >>> layer.backward([[5.0, 5.0, 5.0]])
        array([[0., 5., 5.]])
    """

    kind = "relu"
    kept = ("x",)
    formulas = ("out = 0 where x < 0, x elsewhere", "dx = 0 where x < 0, dout elsewhere")

    def __init__(self) -> None:
        self.x: Array | None = None

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """The mask of the negative entries of the last x; None before the first forward."""
        return None if self.x is None else self.x < 0

    def forward(self, x: ArrayLike) -> Array:
        """Return out = 0 where x < 0, x elsewhere, and keep x."""
        self.x = as_float(x, None, "ReLU.forward: x")
        return functional.relu_forward(self.x)

    def backward(self, dout: ArrayLike) -> Array:
        """Return dx = 0 where x < 0, dout elsewhere."""
        if self.x is None:
            raise RuntimeError("ReLU.backward: call forward first")
        dout = as_float(dout, self.x.dtype, "ReLU.backward: dout")
        return functional.relu_backward(dout, self.x)
