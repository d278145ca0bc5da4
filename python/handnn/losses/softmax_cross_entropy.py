"""SoftmaxCrossEntropy: cross-entropy of logits over several classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, as_float, fraction
from handnn.losses.loss import KernelLoss


class SoftmaxCrossEntropy(KernelLoss):
    """Compute the cross-entropy of ``p = softmax(pre)`` and the class of each row.

    The loss is the mean over the N rows of ``-Σ_o t_o·log p_o`` with the targets

        t_o = w_o·((1 - ε)·y_o + ε/O)

    where y is 1 for the class of the row and 0 for the others, ε is `label_smoothing` (Szegedy et
    al. 2016, section 7) and w is `class_weight`. log p is computed as ``pre_o - m - log Σ_k
    exp(pre_k - m)`` with m the maximum of the row, which does not overflow or take the logarithm
    of 0. The gradient is (p·Σ_o t - t) / N.

    Shapes: pre (N, O); y_true (N,) or (N, 1), integer labels from 0 to O - 1, or (N, O), rows of
    probabilities that sum to 1 within 0.001; sample_weight (N,).

    pre holds logits: do not put a Softmax before this loss. To obtain probabilities, apply a
    softmax to the output of `predict`. `sample_weight` multiplies the terms and gradients of each
    row. The divisor N does not depend on weights.

    label_smoothing: from 0 to 1.
    class_weight: (O,), finite and not negative; None for 1.

    Raises:
        ValueError: If a setting is out of bounds, or, in forward, if y_true is neither labels nor
            probabilities.

    Examples:
        >>> loss = handnn.SoftmaxCrossEntropy()
        >>> round(loss.forward(pre=[[0.0, np.log(3)]], y_true=[1]), 4)
        0.2877
        >>> loss.backward()
        array([[ 0.25, -0.25]])
    """

    kind = "softmax_cross_entropy"
    predicts = "class probabilities"
    link = "softmax"
    takes_labels = True
    formulas = (
        "loss = Σ -t·log p / N, p = softmax(pre), t = w·((1 - ε)·y + ε/O)",
        "dx = (p·Σ_o t - t) / N",
    )

    def __init__(self, label_smoothing: float = 0.0, class_weight: ArrayLike | None = None) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing
        self.class_weight: Array | None = None
        if class_weight is not None:
            name = "SoftmaxCrossEntropy: class_weight"
            self.class_weight = as_float(class_weight, np.float64, name).copy()
        self.check()

    def forward(
        self, pre: ArrayLike, y_true: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the loss, and keep it with its arguments."""
        pre, y_true = self.keep(pre, y_true, sample_weight)
        self.loss = functional.softmax_cross_entropy_forward(
            pre,
            y_true,
            label_smoothing=self.label_smoothing,
            class_weight=_like(self.class_weight, pre),
            sample_weight=self.sample_weight,
        )
        return self.loss

    def backward(self, dout: float = 1.0) -> Array:
        """Return the gradient with respect to pre, times dout."""
        pre, y_true = self.last()
        return functional.softmax_cross_entropy_backward(
            pre,
            y_true,
            dout,
            label_smoothing=self.label_smoothing,
            class_weight=_like(self.class_weight, pre),
            sample_weight=self.sample_weight,
        )

    @property
    def settings(self) -> dict[str, object]:
        """Return {"label_smoothing": ..., "class_weight": ...}, the latter a list or None."""
        weights = None if self.class_weight is None else self.class_weight.tolist()
        return {"label_smoothing": self.label_smoothing, "class_weight": weights}

    @property
    def number(self) -> float:
        """`label_smoothing`, validated again because it may have been reassigned."""
        return fraction(self.label_smoothing, "SoftmaxCrossEntropy: label_smoothing")

    @property
    def numbers(self) -> Array | None:
        """`class_weight`, validated again because it may have been reassigned."""
        weights = self.class_weight
        if weights is not None and (
            weights.ndim != 1 or not (np.isfinite(weights) & (weights >= 0)).all()
        ):
            raise ValueError(
                "SoftmaxCrossEntropy: class_weight must be non-negative numbers, one for "
                f"each class, but is {weights}"
            )
        return weights


def _like(weights: Array | None, pre: Array) -> Array | None:
    return None if weights is None else weights.astype(pre.dtype, copy=False)
