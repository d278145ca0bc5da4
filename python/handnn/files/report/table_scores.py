"""Scores of the predictions of a model, and of baselines, for a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from handnn import metrics
from handnn.files.learning.split import Split
from handnn.files.report.linear_model import linear_designs, solve_least_squares
from handnn.files.report.row_losses import (
    Values,
    each_target,
    has_several,
    main_metric,
    mean_loss,
    row_losses,
)
from handnn.tables import Columns, TableModel, Target
from handnn.tables.objective import POISSON, level_of

if TYPE_CHECKING:
    from polars import DataFrame, Series

Scores = dict[str, float]

MAX_BASELINE_ROWS = 50_000
"""The largest number of training rows for least squares."""


def score(target: Target, measured: Values, answers: Values, names: Sequence[str] = ()) -> Scores:
    """Return the scores of answers: values (N,), or probabilities (N, K) of the classes.

    measured (N,): values, or the indices of the true classes. A score that is undefined for these
    rows, such as auc when all are of one class, is NaN. For several targets, measured and answers
    are (N, O), and `names` are those of the targets. The result has the main score of all targets,
    and the scores of each.
    """
    if has_several(target):
        main = mean_loss(target, row_losses(target, measured, answers))
        every = {main_metric(target): main}
        for name, one in zip(names, each_target(target, measured, answers), strict=True):
            every |= {f"{metric} of {name}": value for metric, value in score(*one).items()}
        return every
    if target.task == "regression":
        with np.errstate(over="ignore", invalid="ignore"):  # rows may be far from those in training
            return _scores_of_values(target, measured, answers)
    classes = measured.astype(np.int64)
    chosen = answers.argmax(axis=1)
    found = {"accuracy": metrics.accuracy(classes, chosen)}
    if target.task == "binary":
        found["auc"] = metrics.auc(classes, answers[:, 1])
        found["log_loss"] = metrics.log_loss(classes, answers[:, 1])
    else:
        found["balanced_accuracy"] = metrics.balanced_accuracy(classes, chosen)
        found["log_loss"] = metrics.log_loss(classes, answers)
    return found


def _scores_of_values(target: Target, measured: Values, answers: Values) -> Scores:
    """Return the scores of a regression; those of quantile regression if it predicts a quantile."""
    if level_of(target.objective) is not None:
        return {
            "pinball_loss": float(row_losses(target, measured, answers).mean()),
            "share_below": float((measured <= answers).mean()),
            "mae": metrics.mae(measured, answers),
        }
    found = {
        "rmse": metrics.rmse(measured, answers),
        "mae": metrics.mae(measured, answers),
        "r2": metrics.r2(measured, answers),
    }
    if target.objective == POISSON:
        found = {"deviance": float(row_losses(target, measured, answers).mean()), **found}
    return found


def plain_scores(scores: Scores) -> dict[str, float | None]:
    """Return scores with None for NaN, as in JSON."""
    return {name: value if np.isfinite(value) else None for name, value in scores.items()}


def measured_values(target: Target, y: Series | DataFrame) -> Values:
    """Return the targets of a regression, yes-or-no targets, or the indices of the true classes."""
    if target.task in ("regression", "multilabel"):
        return np.asarray(y, np.float64)
    return target.encode(y)[:, 0]


def answers_of(model: TableModel, x: DataFrame) -> Values:
    """Return the second argument of `score`: predictions of a regression, or probabilities."""
    is_regression = model.target.task == "regression"
    return np.asarray(model.predict(x) if is_regression else model.predict_proba(x), np.float64)


def row_errors(target: Target, measured: Values, answers: Values) -> Values:
    """Return the error of each prediction; the arguments are those of `score`.

    For a regression, the absolute error; for several targets, its mean in units of their scale. For
    classes, -log of the probability of the true class.
    """
    if target.task != "regression":
        return row_losses(target, measured, answers)
    errors = np.asarray(abs(answers - measured))
    return np.asarray((errors / target.scale).mean(axis=1)) if has_several(target) else errors


def baseline_answers(split: Split, columns: Columns, target: Target) -> dict[str, Values]:
    """Return the predictions of two baselines for the test rows, as arguments of `score`.

    The first predicts the mean of the training rows, or the frequencies of the classes. The second
    is least squares: for classes, on 0 and 1 for each of them, clipped and normalized. For the loss
    of a quantile, the first is that quantile of the training rows, and least squares is shifted by
    that of its residuals. Rates are clipped to be positive.
    """
    y = measured_values(target, split.train.y)
    n_test = len(split.test)
    rows = np.random.default_rng(0).permutation(len(y))[
        :MAX_BASELINE_ROWS
    ]  # the file may be sorted
    rows.sort()
    train_design, test_design = linear_designs(columns, split.train.x[rows], split.test.x)
    if target.classes is None:
        values = y.reshape(len(y), -1)
        coefficients = solve_least_squares(train_design, values[rows])
        linear = test_design @ coefficients
        level, lowest = level_of(target.objective), values.mean(axis=0) / 100
        if level is not None:
            linear += np.quantile(values[rows] - train_design @ coefficients, level, axis=0)
            name, constant = f"the {level:g} quantile", np.quantile(values, level, axis=0)
        else:
            name, constant = "the mean", values.mean(axis=0)
        if target.objective == POISSON:
            linear = np.maximum(linear, lowest)
        if target.task == "multilabel":
            name, linear = "the frequencies", np.clip(linear, 1e-3, 1 - 1e-3)
        constant = np.tile(constant, (n_test, 1))
        if y.ndim == 1:
            constant, linear = constant[:, 0], linear[:, 0]
    else:
        one_hot = np.eye(len(target.classes))[y.astype(int)]
        name, constant = "the most frequent class", np.tile(one_hot.mean(axis=0), (n_test, 1))
        coefficients = solve_least_squares(train_design, one_hot[rows])
        linear = np.clip(test_design @ coefficients, 1e-3, None)
        linear /= linear.sum(axis=1, keepdims=True)
    return {name: constant, "least squares": linear}
