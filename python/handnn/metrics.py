"""Metrics: functions (y_true, y_pred, sample_weight=None) -> float to score predictions.

Arrays have N rows and are computed in float64. `Trainer.fit` accepts the names of `METRICS` and
converts the network's outputs to what each metric expects.

A `sample_weight` (N,), finite and not negative, counts a row that many times. All functions raise
ValueError without rows, if shapes differ, or if the weights sum to 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handnn.arrays import Array, as_float

Floats: TypeAlias = NDArray[np.float64]

Metric: TypeAlias = Callable[..., object]
"""A function (y_true, y_pred) or, with weights, (y_true, y_pred, sample_weight) -> a number."""

MetricInput: TypeAlias = Literal["labels", "scores", "probabilities", "values"]
"""The kind of y_pred that a metric expects."""


def accuracy(y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Return the fraction of labels that are equal.

    y_true and y_pred are (N,) or (N, Q), any numbers. For Q columns, it is the mean over all
    entries.

    Examples:
        >>> handnn.metrics.accuracy([0, 1, 2, 2], [0, 1, 2, 1])
        0.75
    """
    true, pred, weight = _pair("accuracy", y_true, y_pred, sample_weight)
    return _mean(np.equal(true, pred).astype(np.float64), weight)


def balanced_accuracy(
    y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    """Return the mean over the classes of y_true of the fraction of labels that are equal.

    y_true and y_pred are (N,) or (N, Q), any numbers. For Q columns, it is their mean. Classes
    without weight are ignored. (scikit-learn's `balanced_accuracy_score`.)

    Examples:
        >>> handnn.metrics.balanced_accuracy([0, 0, 0, 0, 1], [0, 0, 0, 1, 1])
        0.875
    """
    true, pred, weight = _pair("balanced_accuracy", y_true, y_pred, sample_weight)
    scores = []
    for t, p in zip(true.T, pred.T, strict=True):
        classes, place = np.unique(t, return_inverse=True)
        ones = np.ones(len(t)) if weight is None else weight
        total = np.bincount(place, ones, len(classes))
        right = np.bincount(place, ones * (t == p), len(classes))
        scores.append((right[total > 0] / total[total > 0]).mean())
    return float(np.mean(scores))


def auc(y_true: ArrayLike, y_score: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Return the area under the ROC curve: the probability that a 1 has a higher score than a 0.

    Equal scores count half. The arguments are one of

        y_true (N,), 0 or 1, and y_score (N,), which increases with the probability of 1
        y_true (N, Q) and y_score (N, Q): the mean over Q binary labels
        y_true (N,), labels from 0 to O - 1, and y_score (N, O): the mean of one class against the
            rest

    The result is NaN if a score is NaN or a class has no rows. (Hanley and McNeil 1982;
    scikit-learn's `roc_auc_score` with average "macro" and multi_class "ovr".)

    Examples:
        >>> handnn.metrics.auc([1, 1, 0, 0], [0.8, 0.4, 0.4, 0.1])
        0.875
    """
    true, score = _float("auc: y_true", y_true), _float("auc: y_score", y_score)
    if true.shape[1:] in ((), (1,)) and score.ndim == 2 and score.shape[1] > 1:
        true = _one_hot("auc", true, score.shape[1])
    true, score, weight = _pair("auc", true, score, sample_weight)
    if not np.isin(true, (0, 1)).all():
        raise ValueError("auc: y_true must be 0 or 1, or labels with a score for each class")
    areas = []
    for t, s in zip(true.T, score.T, strict=True):
        yes, no = t == 1, t == 0
        if weight is None:
            areas.append(roc_area(s[yes], s[no]))
        else:
            areas.append(roc_area(s[yes], s[no], weight[yes], weight[no]))
    return float(np.mean(areas))


MAX_SEARCHED = 2**20
"""The number of scores that `roc_area` looks up at a time, which bounds its memory."""


def roc_area(
    yes: Array, no: Array, yes_weight: Array | None = None, no_weight: Array | None = None
) -> float:
    """Return the weighted fraction of pairs (yes, no) with yes > no; equal scores count half.

    yes (P,) and no (M,) are the scores of the positive and of the negative rows, in any dtype. The
    result is NaN if a score is NaN or if either side has no weight.

    Examples:
        >>> from handnn.metrics import roc_area
        >>> roc_area(np.array([0.8, 0.4]), np.array([0.4, 0.1]))
        0.875
    """
    if np.isnan(yes).any() or np.isnan(no).any():
        return float("nan")
    if yes_weight is None or no_weight is None:
        n_pairs = float(len(yes) * len(no))
        no, below = np.sort(no), None
    else:
        n_pairs = float(yes_weight.sum() * no_weight.sum())
        order = np.argsort(no, kind="stable")
        no, below = no[order], np.append(0, np.cumsum(no_weight[order]))
    if not n_pairs > 0:
        return float("nan")
    total = 0.0
    for first in range(0, len(yes), MAX_SEARCHED):
        part = slice(first, first + MAX_SEARCHED)
        some = np.sort(yes[part]) if below is None else yes[part]
        less, not_more = no.searchsorted(some, "left"), no.searchsorted(some, "right")
        if below is None or yes_weight is None:
            total += float(less.sum() + not_more.sum())
        else:
            total += float(yes_weight[part] @ (below[less] + below[not_more]))
    return total / 2 / n_pairs


def log_loss(y_true: ArrayLike, y_prob: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Return the mean of -log of the predicted probability of the truth.

    The arguments are one of

        y_true (N,), from 0 to 1, and y_prob (N,), the probability of 1
        y_true (N,), labels from 0 to O - 1, and y_prob (N, O)
        y_true (N, O), rows of probabilities, and y_prob (N, O)

    Probabilities are clipped to ε and 1 - ε, the epsilon of float64, which keeps the result finite.
    (scikit-learn's `log_loss`.)

    Examples:
        >>> round(handnn.metrics.log_loss([1, 0], [0.5, 0.75]), 4)
        1.0397
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
    """Return the coefficient of determination, 1 - Σ(y - pred)² / Σ(y - mean)².

    y_true and y_pred are (N,) or (N, O). For O columns, it is their mean. If y_true is constant, it
    is 1 for exact predictions, else 0. (scikit-learn's `r2_score`.)

    Examples:
        >>> handnn.metrics.r2([1, 2, 3], [1, 2, 4])
        0.5
    """
    true, pred, weight = _pair("r2", y_true, y_pred, sample_weight)
    residual = _means((true - pred) ** 2, weight)
    variance = _means((true - _means(true, weight)) ** 2, weight)
    share = np.divide(residual, variance, out=(residual > 0).astype(float), where=variance > 0)
    return float(np.mean(1 - share))


def mae(y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Return the mean absolute error over all entries of y_true and y_pred, (N,) or (N, O).

    Examples:
        >>> handnn.metrics.mae([1, 2], [2, 4])
        1.5
    """
    true, pred, weight = _pair("mae", y_true, y_pred, sample_weight)
    return _mean(abs(true - pred), weight)


def rmse(y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Return the root mean squared error of y_true and y_pred, (N,) or (N, O).

    For O columns, it is the mean of their roots. (scikit-learn's `root_mean_squared_error`.)

    Examples:
        >>> handnn.metrics.rmse([1, 2], [2, 2 + np.sqrt(7)])
        2.0
    """
    true, pred, weight = _pair("rmse", y_true, y_pred, sample_weight)
    return float(np.sqrt(_means((true - pred) ** 2, weight)).mean())


class NamedMetric(NamedTuple):
    """A metric of `METRICS`: the function, its kind of y_pred, and whether more is better."""

    function: Metric
    takes: MetricInput
    higher_is_better: bool


METRICS: Mapping[str, NamedMetric] = {
    "accuracy": NamedMetric(accuracy, "labels", True),
    "balanced_accuracy": NamedMetric(balanced_accuracy, "labels", True),
    "auc": NamedMetric(auc, "scores", True),
    "log_loss": NamedMetric(log_loss, "probabilities", False),
    "r2": NamedMetric(r2, "values", True),
    "mae": NamedMetric(mae, "values", False),
    "rmse": NamedMetric(rmse, "values", False),
}
"""The metrics that `Trainer.fit` accepts by name."""


def _one_hot(where: str, labels: Floats, n_classes: int) -> Floats:
    labels = labels.ravel()
    if not np.isin(labels, np.arange(n_classes)).all():
        raise ValueError(f"{where}: y_true must be labels from 0 to {n_classes - 1}")
    return np.asarray(labels[:, None] == np.arange(n_classes), np.float64)


def _float(name: str, values: ArrayLike) -> Floats:
    """Return `values` in float64; raise ValueError unless they are (N,) or (N, O) with rows."""
    array = as_float(values, np.float64, name)
    if array.ndim not in (1, 2) or not array.size:
        raise ValueError(f"{name} must be (N,) or (N, O) with rows, but has shape {array.shape}")
    return array


def _pair(
    where: str, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[Floats, Floats, Floats | None]:
    """Return y_true and y_pred as (N, O), and the weights (N,) or None, all validated."""
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


def _means(values: Floats, weight: Floats | None) -> Floats:
    """Return the mean of each column of `values` (N, O)."""
    if weight is None:
        return np.asarray(values.sum(axis=0) / len(values))
    return np.asarray(weight @ values / weight.sum())


def _mean(values: Floats, weight: Floats | None) -> float:
    """Return the mean over all entries."""
    if weight is None:
        return float(values.sum() / values.size)
    return float(_means(values, weight).mean())


__all__ = ["METRICS", "accuracy", "auc", "balanced_accuracy", "log_loss", "mae", "r2", "rmse"]
