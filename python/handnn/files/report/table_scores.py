"""Scores of the predictions of a model, and of baselines, for a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from handnn import metrics
from handnn.files.learning.split import Split
from handnn.files.report.linear_model import linear_designs, solve_least_squares
from handnn.tables import Columns, TableModel, Target

if TYPE_CHECKING:
    from polars import DataFrame, Series

Values = NDArray[np.float64]
Scores = dict[str, float]

MAX_BASELINE_ROWS = 50_000
"""The largest number of training rows for least squares."""


def score(target: Target, measured: Values, answers: Values) -> Scores:
    """Return the scores of answers: values (N,), or probabilities (N, K) of the classes.

    measured (N,): values, or the indices of the true classes. The first score is the one to compare
    models by. A score that is undefined for these rows, such as auc when all are of one class, is
    NaN.
    """
    if target.task == "regression":
        with np.errstate(over="ignore", invalid="ignore"):  # rows may be far from those in training
            return {
                "rmse": metrics.rmse(measured, answers),
                "mae": metrics.mae(measured, answers),
                "r2": metrics.r2(measured, answers),
            }
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


def plain_scores(scores: Scores) -> dict[str, float | None]:
    """Return scores with None for NaN, as in JSON."""
    return {name: value if np.isfinite(value) else None for name, value in scores.items()}


def measured_values(target: Target, y: Series) -> Values:
    """Return the targets of a regression, or the indices of the true classes."""
    if target.task == "regression":
        return np.asarray(y, np.float64)
    return target.encode(y)[:, 0]


def answers_of(model: TableModel, x: DataFrame) -> Values:
    """Return the second argument of `score`: predictions of a regression, or probabilities."""
    is_regression = model.target.task == "regression"
    return np.asarray(model.predict(x) if is_regression else model.predict_proba(x), np.float64)


def row_errors(target: Target, measured: Values, answers: Values) -> Values:
    """Return the error of each prediction; the arguments are those of `score`.

    The absolute error of a regression; for classes -log of the probability of the true class.
    """
    if target.task == "regression":
        return np.asarray(abs(answers - measured))
    of_truth = answers[np.arange(len(answers)), measured.astype(int)]
    return np.asarray(-np.log(np.clip(of_truth, 1e-15, 1)))


def baseline_answers(split: Split, columns: Columns, target: Target) -> dict[str, Values]:
    """Return the predictions of two baselines for the test rows, as arguments of `score`.

    The first predicts the mean of the training rows, or the frequencies of the classes. The second
    is least squares: for classes, on 0 and 1 for each of them, clipped and normalized.
    """
    y = measured_values(target, split.train.y)
    n_test = len(split.test)
    rows = np.random.default_rng(0).permutation(len(y))[
        :MAX_BASELINE_ROWS
    ]  # the file may be sorted
    rows.sort()
    train_design, test_design = linear_designs(columns, split.train.x[rows], split.test.x)
    if target.classes is None:
        name, constant = "the mean", np.full(n_test, y.mean())
        coefficients = solve_least_squares(train_design, y[rows, None])
        linear = (test_design @ coefficients)[:, 0]
    else:
        one_hot = np.eye(len(target.classes))[y.astype(int)]
        name, constant = "the most frequent class", np.tile(one_hot.mean(axis=0), (n_test, 1))
        coefficients = solve_least_squares(train_design, one_hot[rows])
        linear = np.clip(test_design @ coefficients, 1e-3, None)
        linear /= linear.sum(axis=1, keepdims=True)
    return {name: constant, "least squares": linear}
