"""MSELoss: the mean squared error."""

from __future__ import annotations

from typing import Literal

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array
from handnn.losses.loss import KernelLoss


class MSELoss(KernelLoss):
    """Compute the mean squared error: ``loss = Σ (pre - y_true)² / (N·O)``.

    The predictor that minimizes it is the mean of y_true.

    Shapes: pre (N, O); y_true (N, O), or (N,) if O is 1; sample_weight (N,). y_true is converted to
    the dtype of pre.

    gradient: "exact" is the derivative of the formula, ``2·(pre - y_true) / (N·O)``. "article" is
    ``pre - y_true``, which only rescales the learning rate.

    `sample_weight` multiplies the terms and gradients of each row. The divisor N·O does not change.

    Raises:
        ValueError: If `gradient` is neither "exact" nor "article".

    Examples:
        >>> loss = handnn.MSELoss()
        >>> loss.forward(pre=[[1.0], [5.0]], y_true=[[2.0], [3.0]])
        2.5
        >>> loss.backward()
        array([[-1.],
               [ 2.]])
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
        """Return the loss, and keep it with its arguments."""
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
        """The formulas of the loss and of the chosen gradient."""
        dx = "2 (pre - y_true) / (N·O)" if self.is_exact else "pre - y_true"
        return ("loss = Σ (pre - y_true)² / (N·O)", f"dx = {dx}")

    @property
    def is_exact(self) -> bool:
        """Whether `gradient` is "exact"."""
        return self.gradient == "exact"

    @property
    def settings(self) -> dict[str, str]:
        """Return {"gradient": gradient}."""
        return {"gradient": self.gradient}
