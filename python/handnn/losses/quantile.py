"""Quantile: the pinball loss, minimized by quantiles of the target."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, as_float
from handnn.losses.loss import KernelLoss


class Quantile(KernelLoss):
    """Compute the pinball loss, which is minimized by quantiles of the target.

    With e = y_true - pre, the loss is the mean over all N·O entries, O = Y·Q, of

        q·e where e ≥ 0, (q - 1)·e elsewhere

    For q = 0.5, the median, it is half of `MAE`. (Koenker and Bassett 1978.)

    Shapes: y_true (N, Y), or (N,) if Y is 1; pre (N, Y·Q), with Q consecutive columns for each
    target, in the order of `quantiles`; sample_weight (N,).

    Predicted quantiles may cross; sort them if their order matters. `sample_weight` multiplies the
    terms and gradients of each row. The divisor N·O does not change.

    Raises:
        ValueError: If `quantiles` is empty or a level is not between 0 and 1.

    Examples:
        >>> loss = handnn.Quantile([0.25, 0.75])
        >>> loss.forward(pre=[[1.0, 5.0]], y_true=[[3.0]])
        0.5
        >>> loss.backward()
        array([[-0.125,  0.125]])
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
        """Return the loss, and keep it with its arguments."""
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
        """Return {"quantiles": quantiles}."""
        return {"quantiles": self.quantiles}

    @property
    def numbers(self) -> Array:
        """`quantiles`, validated again because they may have been reassigned."""
        quantiles = as_float(self.quantiles, np.float64, "Quantile: quantiles")
        is_valid = (quantiles > 0) & (quantiles < 1)
        if quantiles.ndim != 1 or not quantiles.size or not is_valid.all():
            raise ValueError(
                f"Quantile: quantiles must be numbers between 0 and 1, but are {self.quantiles}"
            )
        return quantiles

    def n_outputs(self, n_targets: int) -> int:
        """Return Y·Q: a column for each target and quantile."""
        return n_targets * len(self.quantiles)

    def point(self, pre: ArrayLike) -> Array:
        """Return the quantiles (N, Y) nearest to the median, the first if two are equally near."""
        levels = np.array(self.quantiles)
        return self.raw_outputs(pre)[:, np.abs(levels - 0.5).argmin() :: len(levels)]
