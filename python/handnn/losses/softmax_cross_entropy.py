"""SoftmaxCrossEntropy: how surprising the class of a row is, after a softmax."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, as_float, fraction
from handnn.losses.loss import KernelLoss


class SoftmaxCrossEntropy(KernelLoss):
    """How surprising the class of a row is to ``p = softmax(pre)``: -log of what p gave it.

    The loss is the mean over all N rows of ``-Σ_o t_o·log p_o``, with ``log p_o = pre_o - m -
    log Σ_k exp(pre_k - m)``, m the largest of the row, which neither overflows nor takes log 0. Its
    slope is (p·Σt - t) / N. The targets are ``t_o = w_o·((1 - ε)·y_o + ε/O)``: y is 1 for the class
    of the row and 0 for the others, ε is `label_smoothing` (Szegedy et al. 2016, section 7), and w
    `class_weight`, 1 when it is None.

    pre (N, O), the logits: no Softmax comes before this loss; for probabilities apply one to what
    `predict` gives. y_true: labels (N,) or (N, 1), whole numbers from 0 to O - 1; or (N, O),
    one-hot rows or any probabilities that add up to 1, to a thousandth. Anything else is a
    ValueError. The sum is divided by N, whatever the weights are. A `sample_weight` (N,) multiplies
    terms and gradients of its row.

    Raises ValueError unless label_smoothing is from 0 to 1 and class_weight (O,) is finite and not
    negative.
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
        """Return the loss, and keep it with the arrays it came from."""
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
        """{"label_smoothing": ..., "class_weight": ...}, the latter a list or None."""
        weights = None if self.class_weight is None else self.class_weight.tolist()
        return {"label_smoothing": self.label_smoothing, "class_weight": weights}

    @property
    def number(self) -> float:
        """label_smoothing."""
        return fraction(self.label_smoothing, "SoftmaxCrossEntropy: label_smoothing")

    @property
    def numbers(self) -> Array | None:
        """class_weight."""
        weights = self.class_weight
        if weights is not None and (
            weights.ndim != 1 or not (np.isfinite(weights) & (weights >= 0)).all()
        ):
            raise ValueError(
                "SoftmaxCrossEntropy: class_weight must be numbers that are not negative, one for "
                f"each class, but is {weights}"
            )
        return weights


def _like(weights: Array | None, pre: Array) -> Array | None:
    return None if weights is None else weights.astype(pre.dtype, copy=False)
