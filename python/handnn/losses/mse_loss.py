"""MSELoss: the mean of the squared errors."""

from __future__ import annotations

from typing import Literal

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, as_float
from handnn.losses.loss import as_column


class MSELoss:
    """The mean of the squared errors: ``loss = Σ (pre - y_true)² / (N·O)``.

    pre (N, O), y_true (N, O), or (N,) when O is 1; y_true is cast to the dtype of pre.

    gradient "exact" is the derivative of that formula, ``2 (pre - y_true) / (N·O)``; "article" is
    ``pre - y_true``, which only rescales the learning rate. A `sample_weight` (N,) multiplies the
    squared errors and gradients of its row, and N stays what it is: weight 2 counts a row twice.
    """

    def __init__(self, gradient: Literal["exact", "article"] = "exact") -> None:
        if gradient not in ("exact", "article"):
            raise ValueError(f"MSELoss: gradient must be 'exact' or 'article', but is {gradient!r}")
        self.gradient = gradient
        self.pre: Array | None = None
        self.y_true: Array | None = None
        self.sample_weight: Array | None = None
        self.loss: float | None = None

    def forward(
        self, pre: ArrayLike, y_true: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the loss, and keep it with the arrays it came from."""
        self.pre = as_float(pre, None, "MSELoss.forward: pre")
        y_true = as_float(y_true, self.pre.dtype, "MSELoss.forward: y_true")
        self.y_true = as_column(y_true, self.pre)
        self.sample_weight = None
        if sample_weight is not None:
            self.sample_weight = as_float(
                sample_weight, self.pre.dtype, "MSELoss.forward: sample_weight"
            )
        self.loss = functional.mse_loss_forward(
            self.pre, self.y_true, sample_weight=self.sample_weight
        )
        return self.loss

    def backward(self, dout: float = 1.0) -> Array:
        """Return the gradient with respect to pre, times dout."""
        if self.pre is None or self.y_true is None:
            raise RuntimeError("MSELoss.backward: call forward first")
        return functional.mse_loss_backward(
            self.pre, self.y_true, dout, sample_weight=self.sample_weight, gradient=self.gradient
        )

    def __repr__(self) -> str:
        """Show how to build it again."""
        return f"MSELoss(gradient={self.gradient!r})"
