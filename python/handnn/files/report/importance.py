"""The importance of columns, and the rows with the worst predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from handnn.files.learning.split import LabeledRows
from handnn.files.report.row_losses import mean_loss, row_losses
from handnn.files.report.table_scores import answers_of, measured_values, row_errors
from handnn.tables import TableModel

if TYPE_CHECKING:
    from polars import DataFrame, Series

MAX_ROWS = 2_000
"""The largest number of rows that are shuffled."""

N_SHUFFLES = 3


class WorstRow(NamedTuple):
    """A row with its position in the file, its target, the prediction and the error."""

    place: int
    measured: object
    predicted: object
    error: float
    cells: dict[str, object]


def permutation_importance(
    model: TableModel, rows: LabeledRows, rng: np.random.Generator
) -> dict[str, float]:
    """Return the increase of the error when each column is shuffled, the largest first.

    The error is the `main_metric`, such as the RMSE, on up to 2,000 rows; the rise is the mean of
    three shuffles. Columns with the same information share it, so each alone may look unimportant.
    (Breiman 2001, "Random Forests", section 10.)
    """
    chosen = rng.permutation(len(rows))[:MAX_ROWS]
    x, measured = rows.x[chosen], measured_values(model.target, rows.y[chosen])

    def error(table: DataFrame) -> float:
        losses = row_losses(model.target, measured, answers_of(model, table))
        return mean_loss(model.target, losses)

    before = error(x)
    found = {}
    for name in x.columns:
        rises = []
        for _ in range(N_SHUFFLES):
            shuffled = x[name][rng.permutation(len(x))]
            rises.append(error(x.with_columns(shuffled.alias(name))) - before)
        found[name] = float(np.mean(rises))
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def _cell(y: Series | DataFrame, row: int) -> object:
    """Return the target of a row, a tuple if there are several."""
    return y.row(row) if hasattr(y, "row") else y[row]


def worst_rows(model: TableModel, rows: LabeledRows, count: int = 10) -> list[WorstRow]:
    """Return the rows with the largest errors, the largest first."""
    answers = answers_of(model, rows.x)
    errors = row_errors(model.target, measured_values(model.target, rows.y), answers)
    predicted = answers if model.target.classes is None else model.target.choose(answers)
    return [
        WorstRow(
            int(rows.places[row]),
            _cell(rows.y, row),
            tuple(predicted[row].tolist()) if predicted.ndim > 1 else predicted[row],
            float(errors[row]),
            rows.x.row(row, named=True),
        )
        for row in np.argsort(-errors, kind="stable")[:count].tolist()
    ]
