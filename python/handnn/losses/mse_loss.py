"""MSELoss: the mean of the squared errors."""

from __future__ import annotations

from typing import Literal

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array
from handnn.losses.loss import KernelLoss


class MSELoss(KernelLoss):
    """The mean of the squared errors: ``loss = Σ (pre - y_true)² / (N·O)``.

    pre (N, O), y_true (N, O), or (N,) when O is 1; y_true is cast to the dtype of pre. The sum is
    divided by N·O.

    gradient "exact" is the derivative of that formula, ``2 (pre - y_true) / (N·O)``; "article" is
    ``pre - y_true``, which only rescales the learning rate. A `sample_weight` (N,) multiplies the
    squared errors and gradients of its row, and N stays what it is: weight 2 counts a row twice.
    """

    kind = "mse_loss"
    predicts = "mean"

    def __init__(self, gradient: Literal["exact", "article"] = "exact") -> None:
        if gradient not in ("exact", "article"):
            raise ValueError(f"MSELoss: gradient must be 'exact' or 'article', but is {gradient!r}")
        super().__init__()
        self.gradient = gradient

    def forward(
        self, pre: ArrayLike, y_true: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the loss, and keep it with the arrays it came from."""
        pre, y_true = self.keep(pre, y_true, sample_weight)
        self.loss = functional.mse_loss_forward(pre, y_true, sample_weight=self.sample_weight)
        return self.loss

    def backward(self, dout: float = 1.0) -> Array:
        """Return the gradient with respect to pre, times dout."""
        pre, y_true = self.last()
        return functional.mse_loss_backward(
            pre, y_true, dout, sample_weight=self.sample_weight, gradient=self.gradient
        )

    @property
    def formulas(self) -> tuple[str, ...]:
        """With the gradient that was chosen."""
        dx = "2 (pre - y_true) / (N·O)" if self.is_exact else "pre - y_true"
        return ("loss = Σ (pre - y_true)² / (N·O)", f"dx = {dx}")

    @property
    def is_exact(self) -> bool:
        """Whether gradient is "exact"."""
        return self.gradient == "exact"

    @property
    def settings(self) -> dict[str, str]:
        """{"gradient": gradient}."""
        return {"gradient": self.gradient}
