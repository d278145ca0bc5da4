"""Split a table into rows to train on and rows that score the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from handnn.files.errors import TableError
from handnn.files.reading.block import Places

if TYPE_CHECKING:
    from polars import DataFrame, Series

MIN_ROWS = 10
"""Rows that a training needs."""


@dataclass(frozen=True)
class LabeledRows:
    """Rows of a table, their targets, and their places in the file."""

    x: DataFrame
    y: Series
    places: Places

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.y)


@dataclass(frozen=True)
class Split:
    """Rows to train on (of a streamed file, a sample of them), and rows that score the model."""

    train: LabeledRows
    test: LabeledRows


def check_row_count(n_rows: int) -> None:
    """Raise TableError when there are too few rows to train on."""
    if n_rows < MIN_ROWS:
        raise TableError(f"the file has only {n_rows} rows to learn from; it needs {MIN_ROWS}")


def split_rows(
    frame: DataFrame, target: str, places: Places, share: float, rng: np.random.Generator
) -> Split:
    """Hold out a random share of the rows, and that share of each class if there are few classes.

    Targets are classes unless they are real numbers or have more than one distinct value for every
    two rows. Raises TableError when there are too few rows.
    """
    x, y = frame.drop(target), frame[target]
    n_rows = len(y)
    check_row_count(n_rows)
    order = rng.permutation(n_rows)
    classes = np.zeros(n_rows, np.int64)
    if str(y.dtype) != "Float64":
        ranks = y.rank("dense").to_numpy().astype(np.int64)
        classes = ranks if 2 * ranks.max() <= n_rows else classes
    held_out = []
    for label in np.unique(classes):
        rows = order[classes[order] == label]
        held_out.append(rows[: min(round(share * len(rows)), len(rows) - 1)])  # one to learn from
    test = np.sort(np.concatenate(held_out))
    if len(test) == 0:
        test = order[:1]
    is_train = np.ones(n_rows, bool)
    is_train[test] = False
    train = np.flatnonzero(is_train)
    return Split(
        LabeledRows(x[train], y[train], places[train]), LabeledRows(x[test], y[test], places[test])
    )
