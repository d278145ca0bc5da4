"""Split a table into rows to train on and rows that score the model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from handnn.files.errors import TableError
from handnn.files.reading.block import Places
from handnn.files.reading.cells import drop, frame_of
from handnn.tables.separation import INDEPENDENT, Separation
from handnn.tables.target_values import TargetValues

if TYPE_CHECKING:
    from polars import DataFrame, Series

MIN_ROWS = 10
"""The smallest number of rows for training."""


@dataclass(frozen=True)
class LabeledRows:
    """Rows of a table, their targets, and their line or row numbers in the file."""

    x: DataFrame
    y: Series | DataFrame
    places: Places

    def only(self, names: Iterable[str]) -> LabeledRows:
        """Return the rows with these columns only."""
        x = frame_of({name: self.x.get_column(name) for name in names})
        return LabeledRows(x, self.y, self.places)

    @classmethod
    def of(cls, frame: DataFrame, targets: Sequence[str], places: Places) -> LabeledRows:
        """Return the rows of a frame; y is a Series of one target, or a DataFrame of several."""
        y = (
            frame.get_column(targets[0])
            if len(targets) == 1
            else frame_of({name: frame.get_column(name) for name in targets})
        )
        return cls(drop(frame, *targets), y, places)

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
    frame: DataFrame,
    targets: str | Sequence[str],
    places: Places,
    share: float,
    rng: np.random.Generator,
    task: str = "auto",
    separation: Separation = INDEPENDENT,
) -> Split:
    """Hold out a random share of the rows; for classes, the same share of each class.

    Every row has the same probability of being held out; see `draw_rows`. task: as in
    `Target.learn`; it determines whether targets are classes. separation: groups or times of the
    rows; with it, whole groups or the latest rows are held out, about that share in total. Raises
    TableError when there are too few rows, or no group can be held out.
    """
    names = [targets] if isinstance(targets, str) else list(targets)
    y = frame.get_column(names[0])
    check_row_count(len(y))
    if task == "auto":
        task = TargetValues(y, "split_rows").task()
    classes = None
    if task in ("binary", "multiclass"):
        classes = y.rank("dense").to_numpy().astype(np.int64)
    if separation.is_independent:
        is_test = draw_rows(len(y), share, classes, rng)
    else:
        try:
            is_test = separation.held_out(share, classes, rng)
        except ValueError as error:
            raise TableError(str(error)) from None
    train, test = (
        LabeledRows.of(frame[rows], names, places[rows])
        for rows in (np.flatnonzero(~is_test), np.flatnonzero(is_test))
    )
    return Split(train, test)


def draw_rows(
    n_rows: int, share: float, classes: NDArray[np.int64] | None, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return a mask (n_rows,) of the rows to hold out: at least one, and not all rows of a class.

    Every row has the same probability. If `classes` (n_rows,) are given, the number of rows of each
    class is the exact share, rounded up or down at random. (Systematic sampling with one random
    start, of the rows in random order within each class: Madow 1949.)
    """
    order = rng.permutation(n_rows)
    chosen = np.zeros(n_rows, bool)
    if classes is None:
        chosen[order[: min(max(1, round(share * n_rows)), n_rows - 1)]] = True
        return chosen
    order = order[np.argsort(classes[order], kind="stable")]
    chosen[order] = np.diff(np.floor(share * np.arange(n_rows + 1) + rng.random())) > 0
    _, first, counts = np.unique(classes[order], return_index=True, return_counts=True)
    for start, count in zip(first.tolist(), counts.tolist(), strict=True):
        if chosen[order[start : start + count]].all():
            chosen[order[start]] = False  # leaves one row to learn from
    if not chosen.any():
        chosen[order[first[counts.argmax()]]] = True
    return chosen
