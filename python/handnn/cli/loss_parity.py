"""Every loss again in plain NumPy, with targets that it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from handnn.cli.cases import SIZES, Array, Case, Draw
from handnn.losses import (
    MAE,
    BCEWithLogits,
    GaussianNLL,
    Huber,
    MSELoss,
    PoissonNLL,
    Quantile,
    SoftmaxCrossEntropy,
)

DOUBLE = float(np.finfo(np.float64).eps)


class LossFormula(NamedTuple):
    """A loss in NumPy: the terms it is the mean of, their slopes, and what their errors grow with.

    Functions of pre and y_true; `targets` makes a valid y_true of any numbers (N, O). Where terms
    cancel, a size is the formula with a plus in every place; without one it is the absolute value.
    """

    build: Callable[[int], Any]  # the loss, for O outputs
    terms: Callable[[Array, Array], Any]
    slopes: Callable[[Array, Array], Any]
    targets: Callable[[Array], Any] = lambda y: y
    columns: int = 1  # of pre, for each of y
    term_size: Callable[[Array, Array], Any] | None = None
    slope_size: Callable[[Array, Array], Any] | None = None

    def cases(self, draw: Draw) -> Iterator[Case]:
        """Compare the loss, and its gradient times 0.7, with and without weights."""
        for N, O in product(SIZES, repeat=2):
            loss = self.build(O)
            (pre, P), (weight, W) = draw(N, self.columns * O), draw(N)
            y = self.targets(draw(N, O)[1]).astype(draw.dtype)
            Y = y.astype(np.float64)
            terms, slopes = self.terms(P, Y), self.slopes(P, Y)
            sizes = self.term_size(P, Y) if self.term_size else abs(terms)
            slope_sizes = self.slope_size(P, Y) if self.slope_size else abs(slopes)
            for weights, factor in ((None, 1.0), (abs(weight), abs(W)[:, None])):
                got = loss.forward(pre, y, weights)
                size = np.mean(factor * sizes)
                bound = (4 * draw.eps + 2 * DOUBLE * P.size) * size
                yield Case("forward", got, np.mean(factor * terms), bound)
                factor = 0.7 * factor / terms.size
                bound = 4 * draw.eps * factor * slope_sizes
                yield Case("dx", loss.backward(0.7), factor * slopes, bound)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


def huber(e: Array, sign: int) -> Any:
    """e²/2, and delta·(|e| ± delta/2) beyond delta, 2 here."""
    return np.where(abs(e) <= 2, e * e / 2, 2 * (abs(e) + sign))


QUANTILES = np.array([0.125, 0.5, 0.75])  # which float32 has too


def quantile_parts(pre: Array, y: Array) -> tuple[Array, Array]:
    """e = y - pre, three columns for each of y's, and its factor: q, or q - 1 below."""
    errors = np.repeat(y, 3, axis=1) - pre
    q = np.tile(QUANTILES, y.shape[1])
    return errors, np.where(errors < 0, q - 1, q)


def normal(pre: Array, y: Array) -> tuple[Array, Array, Array]:
    """m - y, the log-variances s, and (m - y)²·exp(-s)."""
    means, s = np.hsplit(pre, 2)
    return means - y, s, (means - y) ** 2 * np.exp(-s)


def gaussian_slopes(pre: Array, y: Array, sign: int = -1) -> Any:
    """Those of the means, then those of the log-variances."""
    errors, s, square = normal(pre, y)
    return np.hstack([errors * np.exp(-s), (1 + sign * square) / 2])


def labels(y: Array) -> Any:
    """The place of the largest of each row."""
    return y.argmax(axis=1)[:, None]


def probabilities(y: Array) -> Any:
    """Shares of each row; but a single column holds labels, and 0 is all there can be."""
    parts = abs(y)
    return parts / parts.sum(axis=1, keepdims=True) if y.shape[1] > 1 else 0 * parts


class Softmax:
    """The formulas of SoftmaxCrossEntropy, with smoothing and class weights or without."""

    def __init__(self, smoothing: float = 0.0, are_weighted: bool = False) -> None:
        self.smoothing = smoothing
        self.are_weighted = are_weighted

    def weights(self, O: int) -> Array:
        """1 for each class, or 1/2, 1, 3/2, ..."""
        return np.arange(1, O + 1) / 2 if self.are_weighted else np.ones(O)

    def build(self, O: int) -> SoftmaxCrossEntropy:
        """Return the loss for O classes."""
        return SoftmaxCrossEntropy(self.smoothing, self.weights(O) if self.are_weighted else None)

    def parts(self, pre: Array, y: Array) -> tuple[Array, Array, Array, Array]:
        """The targets t, m - pre, p, and S = Σ exp(pre - m), m the largest of the row."""
        O = pre.shape[1]
        if y.shape[1] == 1:
            y = np.eye(O)[y[:, 0].astype(int)]
        t = self.weights(O) * ((1 - self.smoothing) * y + self.smoothing / O)
        away = pre.max(axis=1, keepdims=True) - pre
        total = np.exp(-away).sum(axis=1, keepdims=True)
        return t, away, np.exp(-away) / total, total

    def terms(self, pre: Array, y: Array) -> Any:
        """-Σ t·log p of each row."""
        t, away, _, total = self.parts(pre, y)
        return (t * (away + np.log(total))).sum(axis=1, keepdims=True)

    def slopes(self, pre: Array, y: Array) -> Any:
        """p·Σt - t."""
        t, _, p, _ = self.parts(pre, y)
        return p * t.sum(axis=1, keepdims=True) - t

    def term_size(self, pre: Array, y: Array) -> Any:
        """log S is wrong by S's relative error: a sum of O terms, each as wrong as its exponent."""
        t, away, p, total = self.parts(pre, y)
        of_sum = p.shape[1] * (1 + (p * away).sum(axis=1, keepdims=True))
        size = 2 * (away + np.log(total)) + of_sum
        return (t * size).sum(axis=1, keepdims=True)

    def slope_size(self, pre: Array, y: Array) -> Any:
        """p is as wrong as its exponent and S, and Σt is a sum of O terms too."""
        t, away, p, _ = self.parts(pre, y)
        of_p = p * (1 + away + (p * away).sum(axis=1, keepdims=True))
        return (p.shape[1] + 1) * (of_p * t.sum(axis=1, keepdims=True) + t)

    def formula(self, targets: Callable[[Array], Any]) -> LossFormula:
        """Return all of it."""
        return LossFormula(
            self.build,
            self.terms,
            self.slopes,
            targets,
            term_size=self.term_size,
            slope_size=self.slope_size,
        )


LOSSES = {
    "MSELoss": LossFormula(
        lambda O: MSELoss(), lambda pre, y: (pre - y) ** 2, lambda pre, y: 2 * (pre - y)
    ),
    "MAE": LossFormula(
        lambda O: MAE(), lambda pre, y: abs(pre - y), lambda pre, y: np.sign(pre - y)
    ),
    "Huber": LossFormula(
        lambda O: Huber(2.0),
        lambda pre, y: huber(pre - y, -1),
        lambda pre, y: np.clip(pre - y, -2, 2),
        term_size=lambda pre, y: huber(pre - y, 1),
    ),
    "Quantile": LossFormula(
        lambda O: Quantile(QUANTILES),
        lambda pre, y: np.prod(quantile_parts(pre, y), axis=0),
        lambda pre, y: -quantile_parts(pre, y)[1],
        columns=3,
    ),
    "BCEWithLogits": LossFormula(
        lambda O: BCEWithLogits(),
        lambda pre, y: y * np.logaddexp(0, -pre) + (1 - y) * np.logaddexp(0, pre),
        lambda pre, y: sigmoid(pre) - y,
        sigmoid,
        slope_size=lambda pre, y: sigmoid(pre) + y,
    ),
    "PoissonNLL": LossFormula(
        lambda O: PoissonNLL(),
        lambda pre, y: np.exp(pre) - y * pre,
        lambda pre, y: np.exp(pre) - y,
        lambda y: abs(y).round(),
        term_size=lambda pre, y: np.exp(pre) + y * abs(pre),
        slope_size=lambda pre, y: np.exp(pre) + y,
    ),
    "GaussianNLL": LossFormula(
        lambda O: GaussianNLL(),
        lambda pre, y: (normal(pre, y)[1] + normal(pre, y)[2]) / 2,
        gaussian_slopes,
        columns=2,
        term_size=lambda pre, y: (abs(normal(pre, y)[1]) + normal(pre, y)[2]) / 2,
        slope_size=lambda pre, y: 2 * abs(gaussian_slopes(pre, y, 1)),
    ),
    "SoftmaxCrossEntropy": Softmax().formula(labels),
    "with probabilities": Softmax(0.125, are_weighted=True).formula(probabilities),
}
