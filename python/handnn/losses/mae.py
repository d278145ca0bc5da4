"""MAE: the mean of the absolute errors."""

from __future__ import annotations

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array
from handnn.losses.loss import KernelLoss


class MAE(KernelLoss):
    """The mean of the absolute errors: ``loss = Σ |pre - y_true| / (N·O)``.

    pre (N, O), y_true (N, O), or (N,) when O is 1. The sum is divided by N·O. What makes it small
    is the median of y_true, where MSELoss has the mean. The slope is ±1 / (N·O), and 0 where both
    are equal. A `sample_weight` (N,) multiplies errors and gradients of its row; N stays.
    """

    kind = "mae"
    predicts = "median"
    formulas = ("loss = Σ |pre - y_true| / (N·O)", "dx = sign(pre - y_true) / (N·O)")

    def forward(
        self, pre: ArrayLike, y_true: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the loss, and keep it with the arrays it came from."""
        pre, y_true = self.keep(pre, y_true, sample_weight)
        self.loss = functional.mae_forward(pre, y_true, sample_weight=self.sample_weight)
        return self.loss

    def backward(self, dout: float = 1.0) -> Array:
        """Return the gradient with respect to pre, times dout."""
        pre, y_true = self.last()
        return functional.mae_backward(pre, y_true, dout, sample_weight=self.sample_weight)
