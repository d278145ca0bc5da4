"""Targets: what y becomes for a network, and how its outputs become answers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import Array
from handnn.losses import BCEWithLogits, GaussianNLL, PoissonNLL, Quantile, SoftmaxCrossEntropy
from handnn.sklearn.inputs import Weights, check_scale, deviations, means

Floats = NDArray[np.float64]


class Values:
    """The numbers of a regression, brought to mean 0 and deviation 1 where that is asked for.

    y (N, Y), float64. Counts for PoissonNLL stay as they are.
    """

    def __init__(self, y: Floats, weight: Weights, loss: Any, is_scaled: bool) -> None:
        self.n_targets = y.shape[1]
        self.loss = loss
        self.n_out = self.n_targets
        if type(loss) is Quantile:
            self.n_out *= len(loss.quantiles)
        if type(loss) is GaussianNLL:
            self.n_out *= 2
        self.mean, self.scale = np.zeros(self.n_targets), np.ones(self.n_targets)
        if is_scaled and type(loss) is not PoissonNLL:
            self.mean = means(y, weight)
            self.scale = deviations(y, self.mean, weight)
            check_scale(self.mean, self.scale, "y")

    @property
    def out_activation(self) -> str:
        """What scikit-learn calls the last activation."""
        return "exp" if type(self.loss) is PoissonNLL else "identity"

    def encode(self, y: Floats) -> Floats:
        """Return what the network is trained on."""
        return (y - self.mean) / self.scale

    def decode(self, pre: Array) -> Floats:
        """Return the answers (N, Y) of outputs: means, rates, or of quantiles the middle one."""
        if type(self.loss) is PoissonNLL:
            return np.exp(pre.astype(np.float64))
        if type(self.loss) is GaussianNLL:
            pre = pre[:, : self.n_targets]
        elif type(self.loss) is Quantile:
            quantiles = np.array(self.loss.quantiles)
            count, middle = len(quantiles), np.abs(quantiles - 0.5).argmin()
            pre = pre[:, middle::count]
        answers: Floats = pre * self.scale  # in float64, as scale is
        answers += self.mean
        return answers

    def quantiles(self, pre: Array, wanted: Floats) -> Floats:
        """Return the quantiles (N, Y, Q) of outputs, rising from each to the next."""
        pre = pre.astype(np.float64)
        if type(self.loss) is GaussianNLL:
            from scipy.special import ndtri  # scikit-learn has SciPy with it

            mean, log_variance = np.split(pre[:, :, None], 2, axis=1)
            found = mean + np.exp(log_variance / 2) * ndtri(wanted)
        else:
            known = list(self.loss.quantiles)
            places = [known.index(quantile) for quantile in wanted.tolist()]
            every = pre.reshape(len(pre), self.n_targets, len(known))
            found = np.sort(every, axis=2)[:, :, np.argsort(np.argsort(known))[places]]
        answers: Floats = found * self.scale[:, None] + self.mean[:, None]
        return answers

    def score(self, y: Array, pre: Array, weight: Array | None = None) -> float:
        """Return R² of outputs beside encoded targets."""
        from handnn.metrics import r2

        true = y.reshape(len(pre), -1).astype(np.float64) * self.scale + self.mean
        return r2(true, self.decode(pre), weight)


class Labels:
    """The classes of a classification: sorted, as they were.

    y: labels (N,), or (N, Y) of 0 and 1 for Y questions when `is_multilabel`.
    """

    def __init__(self, classes: NDArray[Any], is_multilabel: bool, loss: Any) -> None:
        self.classes = classes
        self.is_multilabel = is_multilabel
        self.loss = loss
        self.is_softmax = not is_multilabel and not isinstance(loss, BCEWithLogits)
        self.n_out = len(classes)
        if isinstance(loss, BCEWithLogits) and not is_multilabel and len(classes) <= 2:
            self.n_out = 1

    @property
    def out_activation(self) -> str:
        """What scikit-learn calls the last activation."""
        return "softmax" if self.is_softmax else "logistic"

    def encode(self, y: NDArray[Any]) -> Floats:
        """Return what the network is trained on: yes or no, places, or one-hot rows."""
        if self.is_multilabel:
            return y.astype(np.float64)
        places = np.searchsorted(self.classes, y)
        if self.n_out == 1 or type(self.loss) is SoftmaxCrossEntropy:
            return places.astype(np.float64)[:, None]
        return np.eye(self.n_out)[places]

    def probabilities(self, pre: Array) -> Floats:
        """Return the probabilities of classes, or of yes for each question: (N, K)."""
        pre = pre.astype(np.float64)
        if self.is_softmax:
            powers = np.exp(pre - pre.max(axis=1, keepdims=True))
            return np.asarray(powers / powers.sum(axis=1, keepdims=True))
        yes = np.exp(-np.logaddexp(0, -pre))
        if self.is_multilabel:
            return yes
        if self.n_out > 1:  # one class against the rest, each
            return np.asarray(yes / np.maximum(yes.sum(axis=1, keepdims=True), 1e-300))
        no = np.exp(-np.logaddexp(0, pre))
        return np.hstack([no, yes]) if len(self.classes) > 1 else np.ones_like(yes)

    def choose(self, probabilities: Floats) -> NDArray[Any]:
        """Return the labels that have these probabilities."""
        if self.is_multilabel:
            return (probabilities > 0.5).astype(np.int64)
        chosen: NDArray[Any] = self.classes[probabilities.argmax(axis=1)]
        return chosen

    def decode(self, pre: Array) -> NDArray[Any]:
        """Return the labels that outputs stand for."""
        if self.is_multilabel:
            return (pre > 0).astype(np.int64)
        if self.n_out == 1:
            places = (pre[:, 0] > 0).astype(np.intp) * (len(self.classes) - 1)
            return np.asarray(self.classes[places])
        labels: NDArray[Any] = self.classes.take(pre.argmax(1))
        return labels

    def score(self, y: Array, pre: Array, weight: Array | None = None) -> float:
        """Return the share of rows that are all right, of outputs beside encoded targets."""
        y = y.reshape(len(pre), -1)
        if self.n_out == 1 or self.is_multilabel:
            right = ((pre > 0) == (y > 0.5)).all(axis=1)
        else:
            right = pre.argmax(axis=1) == (y.argmax(axis=1) if y.shape[1] > 1 else y[:, 0])
        return float(np.average(right, weights=None if weight is None else weight.ravel()))


Target = Values | Labels
