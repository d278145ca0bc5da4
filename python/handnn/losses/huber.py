"""Huber: squared error for small errors, absolute error for large ones."""

from __future__ import annotations

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, positive_number
from handnn.losses.loss import KernelLoss


class Huber(KernelLoss):
    """Compute the squared error of small errors and the absolute error of large ones.

    With e = pre - y_true, the loss is the mean over all N·O entries of

        e²/2 where |e| ≤ delta, delta·(|e| - delta/2) elsewhere

    The gradient is e, clipped to ± delta, divided by N·O: an outlier has at most the influence of
    an error of delta. (Huber 1964.)

    Shapes: pre (N, O); y_true (N, O), or (N,) if O is 1; sample_weight (N,).

    `sample_weight` multiplies the terms and gradients of each row. The divisor N·O does not change.

    Raises:
        ValueError: If delta is not positive and finite.

    Examples:
        >>> loss = handnn.Huber(delta=1.0)
        >>> loss.forward(pre=[[1.5], [5.0]], y_true=[[2.0], [3.0]])
        0.8125
        >>> loss.backward()
        array([[-0.25],
               [ 0.5 ]])
    """

    kind = "huber"
    formulas = (
        "loss = Σ h / (N·O), h = e²/2 where |e| ≤ delta, delta·(|e| - delta/2) beyond, "
        "e = pre - y_true",
        "dx = max(-delta, min(delta, e)) / (N·O)",
    )

    def __init__(self, delta: float = 1.0) -> None:
        super().__init__()
        self.delta = delta
        self.check()

    def forward(
        self, pre: ArrayLike, y_true: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the loss, and keep it with its arguments."""
        pre, y_true = self.keep(pre, y_true, sample_weight)
        self.loss = functional.huber_forward(
            pre, y_true, delta=self.delta, sample_weight=self.sample_weight
        )
        return self.loss

    def backward(self, dout: float = 1.0) -> Array:
        """Return the gradient with respect to pre, times dout."""
        pre, y_true = self.last()
        return functional.huber_backward(
            pre, y_true, dout, delta=self.delta, sample_weight=self.sample_weight
        )

    @property
    def settings(self) -> dict[str, float]:
        """Return {"delta": delta}."""
        return {"delta": self.delta}

    @property
    def number(self) -> float:
        """`delta`, validated again because it may have been reassigned."""
        return positive_number(self.delta, "Huber: delta")
