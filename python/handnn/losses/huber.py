"""Huber: squared errors as long as they are small, absolute ones beyond."""

from __future__ import annotations

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, positive_number
from handnn.losses.loss import KernelLoss


class Huber(KernelLoss):
    """Squared errors as long as they are small, absolute ones beyond ``delta``.

    With e = pre - y_true the loss is the mean over all N·O entries of ``e²/2`` where |e| ≤ delta,
    and ``delta·(|e| - delta/2)`` beyond; its slope is e, held within ± delta, over N·O. (Huber
    1964.) Outliers pull no harder than delta.

    pre (N, O), y_true (N, O), or (N,) when O is 1. The sum is divided by N·O. A `sample_weight`
    (N,) multiplies errors and gradients of its row; N stays. Raises ValueError unless delta is
    finite and above 0.
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
        """Return the loss, and keep it with the arrays it came from."""
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
        """{"delta": delta}."""
        return {"delta": self.delta}

    @property
    def number(self) -> float:
        """delta."""
        return positive_number(self.delta, "Huber: delta")
