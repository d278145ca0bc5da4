"""LeakyReLU: let what is positive pass, and a little of the rest."""

from __future__ import annotations

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, as_float, non_negative_number
from handnn.layers.layer import Activation


class LeakyReLU(Activation):
    """Let what is positive pass, and a little of the rest.

    ``out = slope·x where x < 0, x elsewhere``.

    The slope at 0 is 1; NaN passes. Raises ValueError when `slope` is negative or not finite.
    x, out, dout and dx have one shape, any, and one dtype, float32 or float64.
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
        """{"slope": slope}."""
        return {"slope": self.slope}

    @property
    def number(self) -> float:
        """`slope`; raise TypeError or ValueError when it has been set to what it cannot be."""
        return non_negative_number(self.slope, "LeakyReLU: slope")
