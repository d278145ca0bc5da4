"""Metrics: how good predictions are, in the words that people use.

Each is a function (y_true, y_pred, sample_weight=None) -> float of arrays with N rows. A
`Trainer.fit` takes them by the names of `METRICS`, and gives each what it needs of the network's
outputs: of logits, the labels or the probabilities they stand for.

All is computed in float64. A `sample_weight` (N,), finite and not negative, counts a row as so
many. Shapes that do not fit, no rows, and weights whose sum is 0 are a ValueError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from handnn import engine
from handnn.arrays import Array, as_float
from handnn.losses import Loss, facts_of

Metric = Callable[..., Any]
"""(y_true, y_pred), or (y_true, y_pred, sample_weight) when there are weights, -> a number."""


def accuracy(y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Return the share of labels that are right; y_true and y_pred (N,) or (N, Q), any numbers.

    Of Q columns, each a question of its own, it is the mean over all entries.
    """
    true, pred, weight = _pair("accuracy", y_true, y_pred, sample_weight)
    return _mean(np.equal(true, pred), weight)


def balanced_accuracy(
    y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    """Return the share of right labels in each class of y_true, averaged over the classes.

    y_true and y_pred (N,) or (N, Q), any numbers; of Q columns it is the mean. A class that has no
    weight is left out. (scikit-learn's `balanced_accuracy_score`.)
    """
    true, pred, weight = _pair("balanced_accuracy", y_true, y_pred, sample_weight)
    scores = []
    for t, p in zip(true.T, pred.T, strict=True):
        classes, place = np.unique(t, return_inverse=True)
        ones = np.ones(len(t)) if weight is None else weight
        whole = np.bincount(place, ones, len(classes))
        right = np.bincount(place, ones * (t == p), len(classes))
        scores.append((right[whole > 0] / whole[whole > 0]).mean())
    return float(np.mean(scores))


def auc(y_true: ArrayLike, y_score: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Return the area under the ROC curve: how often a yes has a higher score than a no.

    Two of the same score count half. y_true (N,), 0 or 1, and y_score (N,), any numbers that grow
    with the chance of a 1; both (N, Q) for Q questions, of which it is the mean; or labels (N,)
    from 0 to O - 1 and y_score (N, O), the mean of each class against the rest. NaN when a score is
    NaN or one side has no rows. (Hanley and McNeil 1982; scikit-learn's `roc_auc_score` with
    average "macro" and multi_class "ovr".)
    """
    true, score = _float("auc: y_true", y_true), _float("auc: y_score", y_score)
    if true.shape[1:] in ((), (1,)) and score.ndim == 2 and score.shape[1] > 1:
        true = _one_hot("auc", true, score.shape[1])
    true, score, weight = _pair("auc", true, score, sample_weight)
    if not np.isin(true, (0, 1)).all():
        raise ValueError("auc: y_true must be 0 or 1, or labels beside a score for each class")
    ones = np.ones(len(true)) if weight is None else weight
    return float(np.mean([_area(t, s, ones) for t, s in zip(true.T, score.T, strict=True)]))


def log_loss(y_true: ArrayLike, y_prob: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Return the mean of -log of the probability that the truth was given.

    y_true (N,), 0 or 1 or between, and y_prob (N,), the probability of 1; labels (N,) from 0 to
    O - 1 and y_prob (N, O); or y_true (N, O) too, rows of probabilities. A probability counts as at
    least ε and at most 1 - ε of float64, so that one wrong 0 does not make all infinite.
    (scikit-learn's `log_loss`.)
    """
    true, prob = _float("log_loss: y_true", y_true), _float("log_loss: y_prob", y_prob)
    eps = float(np.finfo(np.float64).eps)
    if prob.shape[1:] in ((), (1,)):
        true, prob = (a[:, None] if a.ndim == 1 else a for a in (true, prob))
        true, prob = np.hstack([1 - true, true]), np.hstack([1 - prob, prob])
    elif true.shape[1:] in ((), (1,)):
        true = _one_hot("log_loss", true, prob.shape[1])
    true, prob, weight = _pair("log_loss", true, prob, sample_weight)
    terms = -(true * np.log(np.clip(prob, eps, 1 - eps)))
    return float(_mean(terms, weight) * terms.shape[1])


def r2(y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Return R², the share of the variance that is explained: 1 - Σ(y - pred)² / Σ(y - mean)².

    y_true and y_pred (N,) or (N, O); of O columns it is the mean. Of a y_true that never varies it
    is 1 when all is predicted exactly, else 0. (scikit-learn's `r2_score`.)
    """
    true, pred, weight = _pair("r2", y_true, y_pred, sample_weight)
    left = _means((true - pred) ** 2, weight)
    whole = _means((true - _means(true, weight)) ** 2, weight)
    share = np.divide(left, whole, out=(left > 0).astype(float), where=whole > 0)
    return float(np.mean(1 - share))


def mae(y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Return the mean absolute error, over all entries of y_true and y_pred, (N,) or (N, O)."""
    true, pred, weight = _pair("mae", y_true, y_pred, sample_weight)
    return _mean(abs(true - pred), weight)


def rmse(y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Return the root of the mean squared error; y_true and y_pred (N,) or (N, O).

    Of O columns it is the mean of their roots. (scikit-learn's `root_mean_squared_error`.)
    """
    true, pred, weight = _pair("rmse", y_true, y_pred, sample_weight)
    return float(np.sqrt(_means((true - pred) ** 2, weight)).mean())


class Known(NamedTuple):
    """A metric that has a name: what it takes, and whether more is better."""

    function: Metric
    takes: str
    higher_is_better: bool


METRICS: Mapping[str, Known] = {
    "accuracy": Known(accuracy, "labels", True),
    "balanced_accuracy": Known(balanced_accuracy, "labels", True),
    "auc": Known(auc, "scores", True),
    "log_loss": Known(log_loss, "probabilities", False),
    "r2": Known(r2, "values", True),
    "mae": Known(mae, "values", False),
    "rmse": Known(rmse, "values", False),
}
"""The metrics that `Trainer.fit` knows by name."""

TAKEN = ("loss", "train_loss", "validation_loss", "epoch_seconds")
"""Names that a History has already."""


class Measure(NamedTuple):
    """A metric of one training: `known` is its name in METRICS, None for a function of yours."""

    name: str
    metric: Metric
    known: str | None

    @property
    def higher_is_better(self) -> bool | None:
        """Whether more is better; None where nobody knows."""
        return METRICS[self.known].higher_is_better if self.known else None

    def of(self, loss: Loss, y_true: Array, pre: Array, *weight: Array) -> float:
        """Return the metric of a network's outputs `pre`, which it was trained to give by `loss`.

        A function of yours is given y_true and pre as they are. NaN when no row has any weight, as
        may be of an epoch that draws few rows. Raises TypeError when it returns no number.
        """
        if weight and not weight[0].any():
            return float("nan")
        if self.known is None:
            value = self.metric(y_true, pre, *weight)
        else:
            true, pred = _understood(loss, METRICS[self.known].takes, y_true, pre)
            if len(weight) and len(true) != len(pre):  # entries, not rows
                weight = (np.repeat(weight[0].ravel(), len(true) // len(pre)),)
            value = self.metric(true, pred, *weight)
        if not isinstance(value, Real):
            raise TypeError(f"Trainer.fit: metric {self.name} must return a number, not {value!r}")
        return float(value)


def measures(metrics: object, loss: Loss) -> list[Measure]:
    """Return what `Trainer.fit` was asked to measure: see there.

    Raises TypeError for what is neither a name nor a function, ValueError for an unknown name, one
    that comes twice or is taken, and a metric that means nothing for outputs trained by `loss`.
    """
    where = "Trainer.fit: metrics"
    if isinstance(metrics, str) or callable(metrics):
        metrics = [metrics]
    named: Sequence[tuple[object, object]]
    if isinstance(metrics, Mapping):
        named = list(metrics.items())
        for name, _ in named:
            if not isinstance(name, str):
                raise TypeError(f"{where}: a name must be a str, but one is {name!r}")
    elif isinstance(metrics, Iterable):
        named = [(a if isinstance(a, str) else getattr(a, "__name__", a), a) for a in metrics]
    else:
        raise TypeError(f"{where} must be names or functions, but is {metrics!r}")
    found: list[Measure] = []
    for name, metric in named:
        if not (isinstance(metric, str) or callable(metric)):
            raise TypeError(f"{where} must be names or functions, but one is {metric!r}")
        if not isinstance(name, str):
            name = type(metric).__name__
        if name in TAKEN or name in [measure.name for measure in found]:
            raise ValueError(f"{where} has {name!r} twice; a dict gives them names of your own")
        if isinstance(metric, str):
            if metric not in METRICS:
                raise ValueError(
                    f"{where} must be among {', '.join(METRICS)}, or functions, but one is "
                    f"{metric!r}"
                )
            _check_meaning(where, metric, loss)
            found.append(Measure(name, METRICS[metric].function, metric))
        else:
            found.append(Measure(name, metric, None))
    return found


def _check_meaning(where: str, name: str, loss: Loss) -> None:
    """Raise ValueError if the metric does not apply to what `loss` predicts."""
    facts = facts_of(loss)
    if METRICS[name].takes != "values":
        if not facts.has_classes:
            raise ValueError(
                f"{where}: {name} needs classes, as BCEWithLogits and SoftmaxCrossEntropy have "
                f"them, but the loss is {type(loss).__name__}; give a function instead"
            )
    elif facts.has_classes:
        raise ValueError(f"{where}: {name} is of numbers, but {type(loss).__name__} has classes")
    elif facts.quantiles and 0.5 not in facts.quantiles:
        raise ValueError(
            f"{where}: {name} is of the median, but the quantiles are {facts.quantiles}"
        )


def _understood(loss: Loss, takes: str, y: Array, pre: Array) -> tuple[Array, Array]:
    """Return y_true and y_pred as a metric takes them."""
    facts = facts_of(loss)
    if takes == "values":
        return y, facts.point(pre)
    if facts.takes_labels:
        is_labels = y.shape[1:] in ((), (1,))
        if takes == "probabilities":
            return y, facts.apply_link(pre)
        labels = y.ravel() if is_labels else y.argmax(axis=1).astype(y.dtype)
        if takes == "scores":
            return labels, facts.apply_link(pre)
        return labels, engine.largest_columns(pre).astype(y.dtype)
    y = y.reshape(pre.shape)  # each column is a question
    if takes == "probabilities":
        return y.ravel(), facts.apply_link(pre).ravel()
    truth = np.greater(y, 0.5).astype(y.dtype)
    if takes == "scores":
        return truth, pre.astype(np.float64)
    return truth, np.greater(pre, 0).astype(y.dtype)


def _area(true: Array, score: Array, weight: Array) -> float:
    """Return the area under the curve of one question, summed in trapezoids."""
    if np.isnan(score).any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    true, score, weight = true[order], score[order], weight[order]
    last = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)  # of each score
    hits = np.append(0, np.cumsum(weight * true)[last])
    misses = np.append(0, np.cumsum(weight * (1 - true))[last])
    whole = hits[-1] * misses[-1]
    if not whole > 0:
        return float("nan")
    return float((np.diff(misses) * (hits[1:] + hits[:-1])).sum() / 2 / whole)


def _one_hot(where: str, labels: Array, classes: int) -> Array:
    labels = labels.ravel()
    if not np.isin(labels, np.arange(classes)).all():
        raise ValueError(f"{where}: y_true must be labels from 0 to {classes - 1}")
    return np.asarray(labels[:, None] == np.arange(classes), np.float64)


def _float(name: str, values: ArrayLike) -> Array:
    """Return `values` in float64, with the one or two dimensions that they must have."""
    array = as_float(values, np.float64, name)
    if array.ndim not in (1, 2) or not array.size:
        raise ValueError(f"{name} must be (N,) or (N, O) with rows, but has shape {array.shape}")
    return array


def _pair(
    where: str, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[Array, Array, Array | None]:
    """Return both as (N, O), and the weights (N,) if there are any."""
    true, pred = _float(f"{where}: y_true", y_true), _float(f"{where}: y_pred", y_pred)
    true, pred = (a[:, None] if a.ndim == 1 else a for a in (true, pred))
    if true.shape != pred.shape:
        raise ValueError(f"{where}: y_true has shape {true.shape} but y_pred has {pred.shape}")
    if sample_weight is None:
        return true, pred, None
    weight = as_float(sample_weight, np.float64, f"{where}: sample_weight")
    if weight.shape != (len(true),) or not (np.isfinite(weight) & (weight >= 0)).all():
        raise ValueError(f"{where}: sample_weight must be ({len(true)},), finite and not negative")
    if not weight.any():
        raise ValueError(f"{where}: the sum of sample_weight is 0")
    return true, pred, weight


def _means(values: Array, weight: Array | None) -> Array:
    """Return the mean of each column of `values` (N, O)."""
    if weight is None:
        return np.asarray(values.sum(axis=0) / len(values))
    return np.asarray(weight @ values / weight.sum())


def _mean(values: Array, weight: Array | None) -> float:
    """Return the mean of all entries."""
    if weight is None:
        return float(values.sum() / values.size)
    return float(_means(values, weight).mean())


__all__ = ["METRICS", "accuracy", "auc", "balanced_accuracy", "log_loss", "mae", "r2", "rmse"]
