"""Importance: how much worse predictions are when a column is shuffled; and the worst rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from handnn.files.report.table_scores import answers_of, measured_of
from handnn.tables import TableModel

if TYPE_CHECKING:
    from polars import DataFrame, Series

MOST_ROWS = 2_000
REPEATS = 3


class WorstRow(NamedTuple):
    """A row whose prediction is far off: where it is, what was measured and what predicted."""

    place: int
    measured: Any
    predicted: Any
    error: float
    cells: dict[str, Any]


def errors(model: TableModel, x: DataFrame, y: Series) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return the answers for rows, and how wrong each is.

    The distance from what was measured, or, for classes, -log of the probability of the truth.
    """
    measured, answers = measured_of(model.target, y), answers_of(model, x)
    return answers, _wrong(model, measured, answers)


def _wrong(model: TableModel, measured: Any, answers: Any) -> NDArray[np.float64]:
    if model.target.task == "regression":
        distances: NDArray[np.float64] = abs(answers - measured)
        return distances
    of_truth = answers[np.arange(len(answers)), measured.astype(int)]
    surprise: NDArray[np.float64] = -np.log(np.clip(of_truth, 1e-15, 1))
    return surprise


def permutation_importance(
    model: TableModel, x: DataFrame, y: Series, rng: np.random.Generator
) -> dict[str, float]:
    """Return for each column how much the error rises when its cells are shuffled, highest first.

    The error is the RMSE, or the log loss of classes, on up to 2,000 rows; the rise is the mean of
    three shuffles. Columns that say the same share it: each alone may look unimportant. (Breiman
    2001, "Random Forests", section 10.)
    """
    rows = rng.permutation(len(y))[:MOST_ROWS]
    x, measured = x[rows], measured_of(model.target, y[rows])

    def error(table: DataFrame) -> float:
        wrong = _wrong(model, measured, answers_of(model, table))
        if model.target.task == "regression":
            return float(np.sqrt(np.mean(wrong**2)))
        return float(wrong.mean())

    before = error(x)
    found = {}
    for name in x.columns:
        rises = []
        for _ in range(REPEATS):
            shuffled = x[name][rng.permutation(len(x))]
            rises.append(error(x.with_columns(shuffled.alias(name))) - before)
        found[name] = float(np.mean(rises))
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def worst_rows(
    model: TableModel, x: DataFrame, y: Series, places: NDArray[np.int64], count: int = 10
) -> list[WorstRow]:
    """Return the rows that are predicted worst, the worst first."""
    answers, wrong = errors(model, x, y)
    predicted = answers if model.target.classes is None else model.target.choose(answers)
    return [
        WorstRow(
            int(places[row]),
            y[int(row)],
            predicted[row],
            float(wrong[row]),
            x.row(int(row), named=True),
        )
        for row in np.argsort(-wrong, kind="stable")[:count]
    ]
