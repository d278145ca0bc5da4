"""Scores: how good predictions of a table are, and how good they are without a network."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from handnn import metrics
from handnn.arrays import Array
from handnn.tables import CategoryColumn, Columns, NumberColumn, Target

if TYPE_CHECKING:
    from polars import DataFrame, Series

    from handnn.files.learning.result import Split

Scores = dict[str, float]

MOST_LABELS = 50
"""The categories of a column that least squares takes."""

MOST_ROWS = 50_000
"""The rows that least squares takes."""


def names_of(task: str) -> tuple[str, ...]:
    """Return the names of the scores of a task; the first is the one to compare by."""
    if task == "regression":
        return ("rmse", "mae", "r2")
    if task == "binary":
        return ("accuracy", "auc", "log_loss")
    return ("accuracy", "balanced_accuracy", "log_loss")


def score(target: Target, measured: NDArray[Any], answers: NDArray[Any]) -> Scores:
    """Return the scores of answers: values (N,), or probabilities (N, K) of the classes.

    measured (N,): values, or the places of the labels among the classes. A score that these rows
    have no answer to, as auc of one class alone, is NaN.
    """
    if target.task == "regression":
        with np.errstate(over="ignore", invalid="ignore"):  # of rows far from all in training
            return {
                "rmse": metrics.rmse(measured, answers),
                "mae": metrics.mae(measured, answers),
                "r2": metrics.r2(measured, answers),
            }
    places = measured.astype(np.int64)
    chosen = answers.argmax(axis=1)
    found = {"accuracy": metrics.accuracy(places, chosen)}
    if target.task == "binary":
        found["auc"] = metrics.auc(places, answers[:, 1])
        found["log_loss"] = metrics.log_loss(places, answers[:, 1])
    else:
        found["balanced_accuracy"] = metrics.balanced_accuracy(places, chosen)
        found["log_loss"] = metrics.log_loss(places, answers)
    return found


def measured_of(target: Target, y: Series) -> NDArray[np.float64]:
    """Return the values of a regression, or the places of labels among the classes."""
    if target.task == "regression":
        return np.asarray(y, np.float64)
    return target.encode(y)[:, 0]


def answers_of(model: Any, x: DataFrame) -> Array:
    """Return what `score` takes: predictions, or probabilities."""
    if model.target.task == "regression":
        values: Array = np.asarray(model.predict(x), np.float64)
        return values
    return np.asarray(model.predict_proba(x), np.float64)


def baselines(split: Split, columns: Columns, target: Target) -> dict[str, Scores]:
    """Return the scores on the held-out rows of what knows little, and of a linear model.

    The mean, or the shares of the classes, of the training rows; and least squares on all columns
    (for classes, on 0 and 1 for each of them), with 0 and 1 for each of up to 50 categories.
    """
    y = measured_of(target, split.y_train)
    measured = measured_of(target, split.y_test)
    count = len(measured)
    design, test = _designs(columns, split)
    if target.task == "regression":
        trivial, name = np.full(count, y.mean()), "the mean"
        linear = test @ _least_squares(design, y[:MOST_ROWS, None])[:, 0]
    else:
        one_hot = np.eye(len(target.classes if target.classes is not None else ()))[y.astype(int)]
        trivial, name = np.tile(one_hot.mean(axis=0), (count, 1)), "the most frequent class"
        fitted = test @ _least_squares(design, one_hot[:MOST_ROWS])
        linear = np.clip(fitted, 1e-3, None)
        linear /= linear.sum(axis=1, keepdims=True)
    return {
        name: score(target, measured, trivial),
        "least squares": score(target, measured, linear),
    }


def _designs(columns: Columns, split: Split) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return what a linear model takes of the training rows and of the held-out ones.

    The numbers as they are in the file, no lines through quantiles; standardised, for the trace of
    shrinking to be the same one for all.
    """
    plain = [
        replace(column, mean=0.0, scale=1.0, knots=(), levels=())
        if isinstance(column, NumberColumn)
        else column
        for column in columns.columns
    ]
    as_given = Columns(plain, columns.feature_names_in, columns.categories)
    design = _design(as_given, split.x_train[:MOST_ROWS])
    test = _design(as_given, split.x_test)
    mean, deviation = design.mean(axis=0), design.std(axis=0)
    deviation[deviation == 0] = 1

    def standardised(part: NDArray[Any]) -> NDArray[Any]:
        return np.column_stack([(part - mean) / deviation, np.ones(len(part))])

    return standardised(design), standardised(test)


def _design(columns: Columns, x: DataFrame) -> NDArray[Any]:
    """Return a table as the columns of a linear model."""
    given = columns.transform(x, "float64")
    n_codes = sum(isinstance(column, CategoryColumn) for column in columns.columns)
    if columns.categories != "embedding" or n_codes == 0:
        return given
    parts = [given[:, : given.shape[1] - n_codes]]
    categories = [c for c in columns.columns if isinstance(c, CategoryColumn)]
    for code, category in zip(given[:, -n_codes:].T, categories, strict=True):
        most = np.argsort(category.counts)[::-1][:MOST_LABELS]
        parts.append((code[:, None] == most).astype(np.float64))
    return np.column_stack(parts)


def _least_squares(design: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
    """Solve with a trace of shrinking, so that columns that depend on each other do no harm."""
    gram = design.T @ design
    gram[np.diag_indices_from(gram)] += 1e-6 * len(design)
    found: NDArray[Any] = np.linalg.solve(gram, design.T @ y)
    return found
