"""PoissonNLL: negative log-likelihood of counts with a predicted rate."""

from __future__ import annotations

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array
from handnn.losses.loss import KernelLoss


class PoissonNLL(KernelLoss):
    """Compute the negative log-likelihood of counts under a Poisson distribution of rate exp(pre).

    The loss is the mean over all N·O entries of ``exp(pre) - y_true·pre``, without the constant
    log(y_true!). The gradient is (exp(pre) - y_true) / (N·O).

    Shapes: pre (N, O); y_true (N, O), or (N,) if O is 1, finite and not negative; sample_weight
    (N,).

    pre holds the logarithms of the rates: apply `exp` to the output of `predict`. `sample_weight`
    multiplies the terms and gradients of each row. The divisor N·O does not change.

    Raises:
        ValueError: In forward, if a target is negative or not finite.

    Examples:
        >>> loss = handnn.PoissonNLL()
        >>> loss.forward(pre=[[0.0], [0.0]], y_true=[[3.0], [1.0]])
        1.0
        >>> loss.backward()
        array([[-1.],
               [ 0.]])
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
        """Return the loss, and keep it with its arguments."""
        pre, y_true = self.keep(pre, y_true, sample_weight)
        self.loss = functional.poisson_nll_forward(pre, y_true, sample_weight=self.sample_weight)
        return self.loss

    def backward(self, dout: float = 1.0) -> Array:
        """Return the gradient with respect to pre, times dout."""
        pre, y_true = self.last()
        return functional.poisson_nll_backward(pre, y_true, dout, sample_weight=self.sample_weight)

    def point(self, pre: ArrayLike) -> Array:
        """Return the predicted rates exp(pre), in float64."""
        return self.apply_link(pre)
