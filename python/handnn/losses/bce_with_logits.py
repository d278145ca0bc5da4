"""BCEWithLogits: how surprising the truth of yes and no is, after a sigmoid."""

from __future__ import annotations

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array
from handnn.losses.loss import KernelLoss


class BCEWithLogits(KernelLoss):
    """How surprising yes and no are to ``p = sigmoid(pre)``: -log of what p gave the truth.

    The loss is the mean over all N·O entries of ``-y·log p - (1 - y)·log(1 - p)``, binary cross
    entropy, computed as ``max(pre, 0) - y·pre + log(1 + exp(-|pre|))``, which neither overflows nor
    takes log 0; its slope is (p - y) / (N·O). Several columns are several questions, each with its
    own yes or no.

    pre (N, O), the logits: no Sigmoid comes before this loss; for probabilities apply one to what
    `predict` gives. y_true (N, O), or (N,) when O is 1, from 0 to 1 (else ValueError). The sum is
    divided by N·O. A `sample_weight` (N,) multiplies terms and gradients of its row; N stays.
    """

    kind = "bce_with_logits"
    predicts = "class probabilities"
    link = "sigmoid"
    formulas = (
        "loss = Σ (-y·log p - (1 - y)·log(1 - p)) / (N·O), p = sigmoid(pre)",
        "dx = (p - y) / (N·O)",
    )

    def forward(
        self, pre: ArrayLike, y_true: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the loss, and keep it with the arrays it came from."""
        pre, y_true = self.keep(pre, y_true, sample_weight)
        self.loss = functional.bce_with_logits_forward(
            pre, y_true, sample_weight=self.sample_weight
        )
        return self.loss

    def backward(self, dout: float = 1.0) -> Array:
        """Return the gradient with respect to pre, times dout."""
        pre, y_true = self.last()
        return functional.bce_with_logits_backward(
            pre, y_true, dout, sample_weight=self.sample_weight
        )
