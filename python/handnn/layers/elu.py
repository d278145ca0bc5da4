"""ELU: pass positive entries and let negative ones saturate at -alpha."""

from __future__ import annotations

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, as_float, positive_number
from handnn.layers.layer import Activation


class ELU(Activation):
    """Pass positive entries and let negative ones saturate at -alpha.

        out = alpha·(exp(x) - 1) where x < 0, x elsewhere

    The derivative is a function of the output, ``out + alpha`` where out < 0 and 1 elsewhere, so
    forward keeps only `out`. (Clevert, Unterthiner and Hochreiter 2016, eq. 15.)

    Shapes: x, out, dout and dx have the same shape, of any number of dimensions, and the same
    dtype, float32 or float64.

    Raises:
        ValueError: If `alpha` is not positive and finite.

    Examples:
        >>> layer = handnn.ELU(alpha=2.0)
        >>> layer.forward([[-np.log(2), 0.0, 3.0]])
        array([[-1.,  0.,  3.]])
        >>> layer.backward([[1.0, 1.0, 1.0]])
        array([[1., 1., 1.]])
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
        """Return {"alpha": alpha}."""
        return {"alpha": self.alpha}

    @property
    def number(self) -> float:
        """`alpha`, validated again because it may have been reassigned."""
        return positive_number(self.alpha, "ELU: alpha")
