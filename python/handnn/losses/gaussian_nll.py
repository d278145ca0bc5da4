"""GaussianNLL: how surprising numbers are to a predicted mean and variance."""

from __future__ import annotations

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array
from handnn.losses.loss import KernelLoss


class GaussianNLL(KernelLoss):
    """How surprising numbers are to a predicted mean m and variance exp(s), s its logarithm.

    The loss is the mean over all N·Y targets of ``(s + (m - y_true)²·exp(-s)) / 2``, the negative
    log-likelihood of a normal distribution; log(2π)/2, which no prediction changes, is left out.
    (Nix and Weigend 1994.) So a network learns how sure it may be.

    pre (N, 2·Y): Y columns of means, then Y of log-variances. y_true (N, Y), or (N,) when Y is 1.
    The sum is divided by N·Y. A `sample_weight` (N,) multiplies terms and gradients of its row; N
    stays. Nothing bounds the variance from below: of a y_true that can be hit exactly the loss has
    no minimum.
    """

    kind = "gaussian_nll"
    predicts = "mean and variance"
    formulas = (
        "loss = Σ (s + (m - y_true)²·exp(-s)) / 2 / (N·Y), [m, s] = pre",
        "dx = [(m - y_true)·exp(-s), (1 - (m - y_true)²·exp(-s)) / 2] / (N·Y)",
    )

    def forward(
        self, pre: ArrayLike, y_true: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the loss, and keep it with the arrays it came from."""
        pre, y_true = self.keep(pre, y_true, sample_weight)
        self.loss = functional.gaussian_nll_forward(pre, y_true, sample_weight=self.sample_weight)
        return self.loss

    def backward(self, dout: float = 1.0) -> Array:
        """Return the gradient with respect to pre, times dout."""
        pre, y_true = self.last()
        return functional.gaussian_nll_backward(pre, y_true, dout, sample_weight=self.sample_weight)

    def n_outputs(self, n_targets: int) -> int:
        """Return 2·Y: a mean and a log-variance for each target."""
        return 2 * n_targets

    def point(self, pre: Array) -> Array:
        """Return the predicted means (N, Y) of pre (N, 2·Y)."""
        return pre[:, : pre.shape[1] // 2]
