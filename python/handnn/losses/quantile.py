"""Quantile: errors above and below the prediction cost differently."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, as_float
from handnn.losses.loss import KernelLoss


class Quantile(KernelLoss):
    """Errors above and below the prediction cost differently, so that it becomes a quantile.

    With e = y_true - pre the loss is the mean over all N·O entries of ``q·e`` where e ≥ 0, and
    ``(q - 1)·e`` below. (Koenker and Bassett 1978; also called pinball loss.) 0.5 is the median,
    and half of MAE.

    Several quantiles at once: y_true (N, Y), pre (N, Y·Q), Q columns for each of y_true's, in the
    order of `quantiles`; y_true may be (N,) when Y is 1. The sum is divided by N·O = N·Y·Q. A
    `sample_weight` (N,) multiplies errors and gradients of its row; N stays. Nothing keeps the
    predicted quantiles in order: sort them where they cross. Raises ValueError unless quantiles
    are between 0 and 1, at least one of them.
    """

    kind = "quantile"
    predicts = "quantiles"
    formulas = (
        "loss = Σ (q·e where e ≥ 0, (q - 1)·e below) / (N·O), e = y_true - pre",
        "dx = (-q where e ≥ 0, 1 - q below) / (N·O)",
    )

    def __init__(self, quantiles: ArrayLike = (0.1, 0.5, 0.9)) -> None:
        super().__init__()
        given = as_float(quantiles, np.float64, "Quantile: quantiles")
        self.quantiles = tuple(np.atleast_1d(given).tolist())
        self.check()

    def forward(
        self, pre: ArrayLike, y_true: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the loss, and keep it with the arrays it came from."""
        pre, y_true = self.keep(pre, y_true, sample_weight)
        self.loss = functional.quantile_forward(
            pre, y_true, self.quantiles, sample_weight=self.sample_weight
        )
        return self.loss

    def backward(self, dout: float = 1.0) -> Array:
        """Return the gradient with respect to pre, times dout."""
        pre, y_true = self.last()
        return functional.quantile_backward(
            pre, y_true, self.quantiles, dout, sample_weight=self.sample_weight
        )

    @property
    def settings(self) -> dict[str, tuple[float, ...]]:
        """{"quantiles": quantiles}."""
        return {"quantiles": self.quantiles}

    @property
    def numbers(self) -> Array:
        """quantiles."""
        quantiles = as_float(self.quantiles, np.float64, "Quantile: quantiles")
        are_right = (quantiles > 0) & (quantiles < 1)
        if quantiles.ndim != 1 or not quantiles.size or not are_right.all():
            raise ValueError(
                f"Quantile: quantiles must be numbers between 0 and 1, but are {self.quantiles}"
            )
        return quantiles

    def n_outputs(self, n_targets: int) -> int:
        """Return Y·Q: a column for each target and quantile."""
        return n_targets * len(self.quantiles)

    def point(self, pre: Array) -> Array:
        """Return the quantiles (N, Y) nearest to the median, the first if two are equally near."""
        levels = np.array(self.quantiles)
        return pre[:, np.abs(levels - 0.5).argmin() :: len(levels)]
