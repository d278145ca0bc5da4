"""BCEWithLogits: binary cross-entropy of logits."""

from __future__ import annotations

from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array
from handnn.losses.loss import KernelLoss


class BCEWithLogits(KernelLoss):
    """Compute the binary cross-entropy of ``p = sigmoid(pre)``.

    The loss is the mean over all N·O entries of

        -y·log p - (1 - y)·log(1 - p)

    computed as ``max(pre, 0) - y·pre + log(1 + exp(-|pre|))``, which does not overflow or take the
    logarithm of 0. The gradient is (p - y) / (N·O). Each output column is a separate binary label
    (multilabel classification).

    Shapes: pre (N, O); y_true (N, O), or (N,) if O is 1, with values from 0 to 1; sample_weight
    (N,).

    pre holds logits: do not put a Sigmoid before this loss. To obtain probabilities, apply a
    sigmoid to the output of `predict`. `sample_weight` multiplies the terms and gradients of each
    row. The divisor N·O does not change.

    Raises:
        ValueError: In forward, if a target is not from 0 to 1.

    Examples:
        >>> loss = handnn.BCEWithLogits()
        >>> round(loss.forward(pre=[[0.0], [np.log(3)]], y_true=[[0.0], [1.0]]), 4)
        0.4904
        >>> loss.backward()
        array([[ 0.25 ],
               [-0.125]])
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
        """Return the loss, and keep it with its arguments."""
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
