"""Targets of the estimators: y encoded for a loss, and predictions decoded from its outputs."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import Array
from handnn.losses import Loss, facts_of
from handnn.losses.loss import LINKS
from handnn.metrics import r2
from handnn.tables import Target
from handnn.tables.cells import AnyArray, Floats
from handnn.tables.intervals import Band, HeldOutErrors, errors_of, interval_of
from handnn.tables.moments import Weights, check_finite, deviations, means


class RegressionTarget:
    """The values of a regression, optionally standardized.

    y: float64 (N, Y). Counts for a loss with the link exp are not scaled.

    Attributes:
        loss: its `LossFacts` determine the meaning of the outputs.
        n_targets: Y.
        n_out: the network's output columns, as `loss` needs them.
        is_scaled: whether the values are standardized.
    """

    def __init__(self, y: Floats, weight: Weights, loss: Loss, is_scaled: bool) -> None:
        self.n_targets = y.shape[1]
        self.loss = loss
        self._facts = facts_of(loss)
        self.n_out = self._facts.n_outputs(self.n_targets)
        mean, scale = np.zeros(self.n_targets), np.ones(self.n_targets)
        self.is_scaled = is_scaled and self._facts.link != "exp"
        if self.is_scaled:
            mean = means(y, weight)
            scale = deviations(y, mean, weight)
            check_finite(mean, scale, "y")
        self._values = Target(
            "regression", mean=mean, scale=scale, n_out=self.n_targets, is_flat=False
        )

    def with_values(self, values: Target) -> RegressionTarget:
        """Return a copy that encodes and decodes as another Target does."""
        found = copy.copy(self)
        found._values = values
        return found

    @property
    def mean(self) -> Floats:
        """The mean of each target."""
        return self._values.mean

    @property
    def scale(self) -> Floats:
        """The standard deviation of each target."""
        return self._values.scale

    @property
    def is_log(self) -> bool:
        """Whether the outputs are logarithms: see `tables.log_scale`."""
        return self._values.is_log

    @property
    def out_activation(self) -> str:
        """scikit-learn's name of the last activation."""
        return "exp" if self._facts.link == "exp" else "identity"

    def encode(self, y: Floats) -> Floats:
        """Return y encoded as targets of the loss."""
        return self._values.standardize(y)

    def decode(self, pre: Array) -> Floats:
        """Return the predictions (N, Y) of outputs: means, rates, or the middle quantiles."""
        return self._values.values(self._facts.point(pre))

    def decode_targets(self, y: Array) -> Floats:
        """Return the values (N, Y) of encoded targets."""
        return self._values.unstandardize(y.reshape(len(y), -1))

    def quantiles(self, pre: Array, wanted: Floats) -> Floats:
        """Return the quantiles (N, Y, Q) of outputs, sorted in ascending order of level."""
        pre = pre.astype(np.float64)
        if self._facts.predicts == "mean and variance":
            from scipy.special import ndtri  # scikit-learn depends on SciPy

            mean, log_variance = np.split(pre[:, :, None], 2, axis=1)
            found = mean + np.exp(log_variance / 2) * ndtri(wanted)
        else:
            known = list(self._facts.quantiles)
            places = [known.index(quantile) for quantile in wanted.tolist()]
            every = pre.reshape(len(pre), self.n_targets, len(known))
            found = np.sort(every, axis=2)[:, :, np.argsort(np.argsort(known))[places]]
        answers: Floats = found * self.scale[:, None] + self.mean[:, None]
        return answers

    def band(self, pre: Array) -> Band:
        """Return the Band of outputs, from their quantiles or standard deviation if any."""
        if len(self._facts.quantiles) > 1:
            found = self.quantiles(pre, np.sort(self._facts.quantiles)[[0, -1]])
            return Band(found[:, :, 0], found[:, :, 1], np.ones_like(found[:, :, 0]))
        answers = self.decode(pre)
        if self._facts.predicts != "mean and variance":
            return Band.of_answers(answers)
        log_variance = np.split(pre.astype(np.float64), 2, axis=1)[1]
        return Band(answers, answers, np.exp(log_variance / 2) * self.scale)

    def errors(self, pre: Array, y: Array) -> HeldOutErrors:
        """Return the errors of outputs on held-out rows with encoded targets y (M, Y)."""
        values = self.decode_targets(y)
        if self.is_log:
            return errors_of(self.decode(pre), values, is_log=True)
        return self.band(pre).errors(values)

    def interval(self, outputs: Sequence[Array], bound: Floats) -> Floats:
        """Return the ends (N, Y, 2) of intervals for the outputs of several networks."""
        if self.is_log:
            answers = np.mean(list(map(self.decode, outputs)), axis=0)
            return interval_of(answers, bound, is_log=True)
        return Band.mean(list(map(self.band, outputs))).interval(bound)

    def score(self, y: Array, pre: Array, weight: Array | None = None) -> float:
        """Return R² of outputs against encoded targets."""
        with np.errstate(over="ignore", invalid="ignore"):  # training may diverge
            return r2(self.decode_targets(y), self.decode(pre), weight)


class ClassTarget:
    """The classes of a classification.

    y: labels (N,), or (N, Y) of 0 and 1 for Y yes-or-no targets if `is_multilabel`.

    Attributes:
        classes: (K,) in ascending order.
        n_out: the network's output columns: 1 for two classes with a sigmoid loss, else K.
    """

    def __init__(self, classes: AnyArray, is_multilabel: bool, loss: Loss) -> None:
        self.classes = classes
        self.is_multilabel = is_multilabel
        self.loss = loss
        self._facts = facts_of(loss)
        is_sigmoid = self._facts.link == "sigmoid"
        self.is_softmax = not is_multilabel and not is_sigmoid
        self.n_out = len(classes)
        if is_sigmoid and not is_multilabel and len(classes) <= 2:
            self.n_out = 1

    @property
    def out_activation(self) -> str:
        """scikit-learn's name of the last activation."""
        return "softmax" if self.is_softmax else "logistic"

    def encode(self, y: AnyArray) -> Floats:
        """Return y encoded as targets of the loss: 0 and 1, indices of classes, or one-hot rows."""
        if self.is_multilabel:
            return y.astype(np.float64)
        places = np.searchsorted(self.classes, y)
        if self.n_out == 1 or self._facts.takes_labels:
            return places.astype(np.float64)[:, None]
        return np.eye(self.n_out)[places]

    def places(self, y: Array) -> NDArray[np.int64]:
        """Return the index in `classes` (N,) of encoded targets that are not multilabel."""
        y = y.reshape(len(y), -1)
        return (y.argmax(axis=1) if y.shape[1] > 1 else y[:, 0]).astype(np.int64)

    def probabilities(self, pre: Array) -> Floats:
        """Return the probabilities (N, K) of classes, or of yes, in float64."""
        wide: Floats = pre.astype(np.float64)
        if self.is_softmax:
            return LINKS["softmax"](wide)
        yes = LINKS["sigmoid"](wide)
        if self.is_multilabel:
            return yes
        if self.n_out > 1:  # each class against the rest
            return np.asarray(yes / np.maximum(yes.sum(axis=1, keepdims=True), 1e-300))
        no = LINKS["sigmoid"](-wide)
        return np.hstack([no, yes]) if len(self.classes) > 1 else np.ones_like(yes)

    def choose(self, probabilities: Floats) -> AnyArray:
        """Return the labels of probabilities."""
        if self.is_multilabel:
            return (probabilities > 0.5).astype(np.int64)
        chosen: AnyArray = self.classes[probabilities.argmax(axis=1)]
        return chosen

    def decode(self, pre: Array) -> AnyArray:
        """Return the labels of outputs."""
        if self.is_multilabel:
            return (pre > 0).astype(np.int64)
        if self.n_out == 1:
            places = (pre[:, 0] > 0).astype(np.intp) * (len(self.classes) - 1)
            return np.asarray(self.classes[places])
        labels: AnyArray = self.classes.take(pre.argmax(1))
        return labels

    def score(self, y: Array, pre: Array, weight: Array | None = None) -> float:
        """Return the share of rows in which all predictions are correct, for encoded targets."""
        y = y.reshape(len(pre), -1)
        if self.n_out == 1 or self.is_multilabel:
            right = ((pre > 0) == (y > 0.5)).all(axis=1)
        else:
            right = pre.argmax(axis=1) == self.places(y)
        return float(np.average(right, weights=None if weight is None else weight.ravel()))


EstimatorTarget = RegressionTarget | ClassTarget
