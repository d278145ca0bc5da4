"""GELU: weigh every entry by the probability that a normal variable is below it."""

from __future__ import annotations

from typing import Literal

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, as_float
from handnn.layers.layer import Activation


class GELU(Activation):
    """Weigh every entry by the probability that a normal variable is below it: ``out = x·Φ(x)``.

    form "erf" is that formula; "tanh" is its older approximation, ``x·(1 + tanh(u)) / 2`` with
    ``u = sqrt(2/π)·(x + 0.044715·x³)``, off by at most 0.0005. (Hendrycks and Gimpel 2016, section
    2.) Raises ValueError for another form.
    x, out, dout and dx have one shape, any, and one dtype, float32 or float64.
    """

    kept = ("x",)

    def __init__(self, form: Literal["erf", "tanh"] = "erf") -> None:
        if form not in ("erf", "tanh"):
            raise ValueError(f"GELU: form must be 'erf' or 'tanh', but is {form!r}")
        self.form = form
        self.x: Array | None = None

    @property
    def kind(self) -> str:
        """The name of the kernels."""
        return "gelu" if self.form == "erf" else "gelu_tanh"

    @property
    def formulas(self) -> tuple[str, ...]:
        """Those of the form."""
        if self.form == "erf":
            return ("out = x·Φ(x)", "dx = dout·(Φ(x) + x·φ(x))")
        return (
            "out = x·(1 + tanh(u)) / 2, u = sqrt(2/π)·(x + 0.044715·x³)",
            "dx = dout·((1 + t) / 2 + x·(1 - t²)·u' / 2), t = tanh(u), "
            "u' = sqrt(2/π)·(1 + 3·0.044715·x²)",
        )

    def forward(self, x: ArrayLike) -> Array:
        """Return out = x·Φ(x), and keep x."""
        self.x = as_float(x, None, "GELU.forward: x")
        forward = functional.gelu_forward if self.form == "erf" else functional.gelu_tanh_forward
        return forward(self.x)

    def backward(self, dout: ArrayLike) -> Array:
        """Return dx = dout·(Φ(x) + x·φ(x)), or the slope of the tanh form."""
        if self.x is None:
            raise RuntimeError("GELU.backward: call forward first")
        dout = as_float(dout, self.x.dtype, "GELU.backward: dout")
        if self.form == "erf":
            return functional.gelu_backward(dout, self.x)
        return functional.gelu_tanh_backward(dout, self.x)

    @property
    def settings(self) -> dict[str, str]:
        """{"form": form}."""
        return {"form": self.form}
