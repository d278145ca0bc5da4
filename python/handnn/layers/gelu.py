"""GELU: scale every entry by the normal distribution function at that entry."""

from __future__ import annotations

from typing import Literal

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, as_float
from handnn.layers.layer import Activation


class GELU(Activation):
    """Scale every entry by the standard normal distribution function: ``out = x·Φ(x)``.

    `form` "erf" computes this formula; "tanh" computes the approximation of the paper, with errors
    of up to 0.0005 (Hendrycks and Gimpel 2016, section 2):

        out = x·(1 + tanh(u)) / 2, u = sqrt(2/π)·(x + 0.044715·x³)

    Shapes: x, out, dout and dx have the same shape, of any number of dimensions, and the same
    dtype, float32 or float64.

    Raises:
        ValueError: If `form` is neither "erf" nor "tanh".

    Examples:
        >>> layer = handnn.GELU()
        >>> layer.forward([[-1.0, 0.0, 1.0]]).round(4)
        array([[-0.1587,  0.    ,  0.8413]])
        >>> layer.backward([[1.0, 1.0, 1.0]]).round(4)
        array([[-0.0833,  0.5   ,  1.0833]])
    """

    kept = ("x",)

    def __init__(self, form: Literal["erf", "tanh"] = "erf") -> None:
        if form not in ("erf", "tanh"):
            raise ValueError(f"GELU: form must be 'erf' or 'tanh', but is {form!r}")
        self.form = form
        self.x: Array | None = None

    @property
    def kind(self) -> str:
        """The name of the kernels: "gelu" or "gelu_tanh"."""
        return "gelu" if self.form == "erf" else "gelu_tanh"

    @property
    def formulas(self) -> tuple[str, ...]:
        """The formulas of the chosen form."""
        if self.form == "erf":
            return ("out = x·Φ(x)", "dx = dout·(Φ(x) + x·φ(x))")
        return (
            "out = x·(1 + tanh(u)) / 2, u = sqrt(2/π)·(x + 0.044715·x³)",
            "dx = dout·((1 + t) / 2 + x·(1 - t²)·u' / 2), t = tanh(u), "
            "u' = sqrt(2/π)·(1 + 3·0.044715·x²)",
        )

    def forward(self, x: ArrayLike) -> Array:
        """Return out = x·Φ(x), or its approximation, and keep x."""
        self.x = as_float(x, None, "GELU.forward: x")
        forward = functional.gelu_forward if self.form == "erf" else functional.gelu_tanh_forward
        return forward(self.x)

    def backward(self, dout: ArrayLike) -> Array:
        """Return dx = dout·(Φ(x) + x·φ(x)), or that of the approximation."""
        if self.x is None:
            raise RuntimeError("GELU.backward: call forward first")
        dout = as_float(dout, self.x.dtype, "GELU.backward: dout")
        if self.form == "erf":
            return functional.gelu_backward(dout, self.x)
        return functional.gelu_tanh_backward(dout, self.x)

    @property
    def settings(self) -> dict[str, str]:
        """Return {"form": form}."""
        return {"form": self.form}
