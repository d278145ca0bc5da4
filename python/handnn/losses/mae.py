"""MAE: the mean absolute error."""

from __future__ import annotations

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array
from handnn.losses.loss import KernelLoss


class MAE(KernelLoss):
    """Compute the mean absolute error: ``loss = Σ |pre - y_true| / (N·O)``.

    The predictor that minimizes it is the median of y_true. The gradient is ±1 / (N·O), and 0 where
    pre equals y_true.

    Shapes: pre (N, O); y_true (N, O), or (N,) if O is 1; sample_weight (N,).

    `sample_weight` multiplies the terms and gradients of each row. The divisor N·O does not change.

    Examples:
        >>> loss = handnn.MAE()
        >>> loss.forward(pre=[[1.0], [5.0]], y_true=[[2.0], [3.0]])
        1.5
        >>> loss.backward()
        array([[-0.5],
               [ 0.5]])
    """

    kind = "mae"
    predicts = "median"
    formulas = ("loss = Σ |pre - y_true| / (N·O)", "dx = sign(pre - y_true) / (N·O)")

    def forward(
        self, pre: ArrayLike, y_true: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the loss, and keep it with its arguments."""
        pre, y_true = self.keep(pre, y_true, sample_weight)
        self.loss = functional.mae_forward(pre, y_true, sample_weight=self.sample_weight)
        return self.loss

    def backward(self, dout: float = 1.0) -> Array:
        """Return the gradient with respect to pre, times dout."""
        pre, y_true = self.last()
        return functional.mae_backward(pre, y_true, dout, sample_weight=self.sample_weight)
