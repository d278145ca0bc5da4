"""LeakyReLU: pass positive entries and scale negative ones by a small slope."""

from __future__ import annotations

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, as_float, non_negative_number
from handnn.layers.layer import Activation


class LeakyReLU(Activation):
    """Pass positive entries and scale negative ones: ``out = slope·x where x < 0, x elsewhere``.

    The derivative is `slope` where x < 0 and 1 elsewhere, including x = 0. NaN passes through.
    (Maas, Hannun and Ng 2013.)

    Shapes: x, out, dout and dx have the same shape, of any number of dimensions, and the same
    dtype, float32 or float64.

    Raises:
        ValueError: If `slope` is negative or not finite.

    Examples:
        >>> layer = handnn.LeakyReLU(slope=0.25)
        >>> layer.forward([[-2.0, 0.0, 3.0]])
        array([[-0.5,  0. ,  3. ]])
        >>> layer.backward([[4.0, 4.0, 4.0]])
        array([[1., 4., 4.]])
    """

    kind = "leaky_relu"
    kept = ("x",)
    formulas = (
        "out = slope·x where x < 0, x elsewhere",
        "dx = slope·dout where x < 0, dout elsewhere",
    )

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = non_negative_number(slope, "LeakyReLU: slope")
        self.x: Array | None = None

    def forward(self, x: ArrayLike) -> Array:
        """Return out = slope·x where x < 0, x elsewhere, and keep x."""
        self.x = as_float(x, None, "LeakyReLU.forward: x")
        return functional.leaky_relu_forward(self.x, self.slope)

    def backward(self, dout: ArrayLike) -> Array:
        """Return dx = slope·dout where x < 0, dout elsewhere."""
        if self.x is None:
            raise RuntimeError("LeakyReLU.backward: call forward first")
        dout = as_float(dout, self.x.dtype, "LeakyReLU.backward: dout")
        return functional.leaky_relu_backward(dout, self.x, self.slope)

    @property
    def settings(self) -> dict[str, float]:
        """Return {"slope": slope}."""
        return {"slope": self.slope}

    @property
    def number(self) -> float:
        """`slope`, validated again because it may have been reassigned."""
        return non_negative_number(self.slope, "LeakyReLU: slope")
