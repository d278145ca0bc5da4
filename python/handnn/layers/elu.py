"""ELU: let what is positive pass, and bend the rest towards -alpha."""

from __future__ import annotations

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, as_float, positive_number
from handnn.layers.layer import Activation


class ELU(Activation):
    """Let what is positive pass, and bend the rest towards -alpha.

    ``out = alpha·(exp(x) - 1) where x < 0, x elsewhere``.

    Its slope follows from the output alone, ``out + alpha`` where out < 0, so `out` is all that
    forward keeps. Raises ValueError when `alpha` is not above 0 and finite. (Clevert, Unterthiner
    and Hochreiter 2016, eq. 15.)
    x, out, dout and dx have one shape, any, and one dtype, float32 or float64.
    """

    kind = "elu"
    kept = ("out",)
    formulas = (
        "out = alpha·(exp(x) - 1) where x < 0, x elsewhere",
        "dx = dout·(out + alpha) where out < 0, dout elsewhere",
    )

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = positive_number(alpha, "ELU: alpha")
        self.out: Array | None = None

    def forward(self, x: ArrayLike) -> Array:
        """Return out = alpha·(exp(x) - 1) where x < 0, x elsewhere, and keep it."""
        self.out = functional.elu_forward(x, self.alpha)
        return self.out

    def backward(self, dout: ArrayLike) -> Array:
        """Return dx = dout·(out + alpha) where out < 0, dout elsewhere."""
        if self.out is None:
            raise RuntimeError("ELU.backward: call forward first")
        dout = as_float(dout, self.out.dtype, "ELU.backward: dout")
        return functional.elu_backward(dout, self.out, self.alpha)

    @property
    def settings(self) -> dict[str, float]:
        """{"alpha": alpha}."""
        return {"alpha": self.alpha}

    @property
    def number(self) -> float:
        """`alpha`; raise TypeError or ValueError when it has been set to what it cannot be."""
        return positive_number(self.alpha, "ELU: alpha")
