"""GaussianNLL: negative log-likelihood of numbers with a predicted mean and variance."""

from __future__ import annotations

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array
from handnn.losses.loss import KernelLoss


class GaussianNLL(KernelLoss):
    """Compute the negative log-likelihood of a normal distribution with mean m and variance exp(s).

    The loss is the mean over all N·Y targets of

        (s + (m - y_true)²·exp(-s)) / 2

    without the constant log(2π)/2. The network learns its own uncertainty. (Nix and Weigend 1994.)

    Shapes: pre (N, 2·Y), Y columns of means m, then Y of log-variances s; y_true (N, Y), or (N,) if
    Y is 1; sample_weight (N,).

    The variance has no lower bound: if targets can be predicted exactly, the loss has no minimum.
    `sample_weight` multiplies the terms and gradients of each row. The divisor N·Y does not change.

    Examples:
        >>> loss = handnn.GaussianNLL()
        >>> loss.forward(pre=[[1.0, 0.0]], y_true=[[3.0]])
        2.0
        >>> loss.backward()
        array([[-2. , -1.5]])
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
        """Return the loss, and keep it with its arguments."""
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

    def point(self, pre: ArrayLike) -> Array:
        """Return the predicted means (N, Y) of pre (N, 2·Y)."""
        pre = self.raw_outputs(pre)
        return pre[:, : pre.shape[1] // 2]
