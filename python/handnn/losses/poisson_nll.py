"""PoissonNLL: how surprising counts are to a predicted rate."""

from __future__ import annotations

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array
from handnn.losses.loss import KernelLoss


class PoissonNLL(KernelLoss):
    """How surprising counts are to the rate exp(pre): the negative Poisson log-likelihood.

    The loss is the mean over all N·O entries of ``exp(pre) - y_true·pre``; log(y_true!), which no
    prediction changes, is left out. Its slope is (exp(pre) - y_true) / (N·O).

    pre (N, O), the logarithms of the rates: ``exp`` of what `predict` gives are the rates. y_true
    (N, O), or (N,) when O is 1, finite and not negative (else ValueError). The sum is divided by
    N·O. A `sample_weight` (N,) multiplies terms and gradients of its row; N stays.
    """

    kind = "poisson_nll"
    predicts = "rate"
    link = "exp"
    formulas = (
        "loss = Σ (exp(pre) - y_true·pre) / (N·O)",
        "dx = (exp(pre) - y_true) / (N·O)",
    )

    def forward(
        self, pre: ArrayLike, y_true: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the loss, and keep it with the arrays it came from."""
        pre, y_true = self.keep(pre, y_true, sample_weight)
        self.loss = functional.poisson_nll_forward(pre, y_true, sample_weight=self.sample_weight)
        return self.loss

    def backward(self, dout: float = 1.0) -> Array:
        """Return the gradient with respect to pre, times dout."""
        pre, y_true = self.last()
        return functional.poisson_nll_backward(pre, y_true, dout, sample_weight=self.sample_weight)

    def point(self, pre: Array) -> Array:
        """Return the predicted rates exp(pre), in float64."""
        return self.apply_link(pre)
