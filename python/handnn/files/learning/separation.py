"""Split by groups of rows or by time: the columns that define which rows depend on each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from handnn.files.errors import TableError
from handnn.files.learning.facts import ColumnFacts
from handnn.files.learning.settings import TrainingSettings
from handnn.files.reading.source import Source
from handnn.tables.cells import Floats, read_cells
from handnn.tables.separation import INDEPENDENT, Separation

if TYPE_CHECKING:
    from polars import DataFrame


def kinds_for_splits(
    facts: Mapping[str, ColumnFacts], source: Source, settings: TrainingSettings
) -> dict[str, str]:
    """Return the kind of the column of groups or times, if any; TableError if it is invalid.

    facts: about the columns of the file.
    """
    if settings.split_by:
        fact = facts[settings.split_by]
        if fact.dtype:
            raise TableError(f"{source.path}: the groups {fact.name!r} have the type {fact.dtype}")
        return {fact.name: "category"}
    if not settings.split_time:
        return {}
    fact = facts[settings.split_time]
    name = f"{source.path}: the times {fact.name!r}"
    if fact.dtype or fact.kind not in ("number", "date") or fact.n_too_large:
        raise TableError(f"{name} must all be dates, or all numbers")
    if fact.n_gaps:
        raise TableError(f"{name} have no value in {source.place} {fact.first_gap:,}")
    return {fact.name: fact.kind}


def separation_of(frame: DataFrame, settings: TrainingSettings) -> Separation:
    """Return the groups or times of the rows of a frame; TableError if they are all the same."""
    if settings.split_by:
        cells = frame.get_column(settings.split_by).to_list()
        try:
            return Separation.of_groups(["" if cell is None else str(cell) for cell in cells])
        except ValueError:
            raise TableError(f"all rows are of one group of {settings.split_by!r}") from None
    if not settings.split_time:
        return INDEPENDENT
    times = _times(frame, settings.split_time)
    if times.min() == times.max():
        raise TableError(f"all rows have the same time {settings.split_time!r}")
    return Separation(times=times)


def _times(frame: DataFrame, name: str) -> Floats:
    """Return a column of dates as days, or a column of numbers unchanged."""
    column = frame.get_column(name)
    if column.dtype.is_numeric():
        return np.asarray(column.to_numpy(), np.float64)
    cells = read_cells(column, name, 0, "train_file")
    return np.where(np.isnan(cells.days), cells.floats, cells.days)


def described_split(settings: TrainingSettings) -> str:
    """Describe the rows that are held out to score the model, for messages and the report."""
    if settings.test:
        return "another file"
    if settings.split_by:
        return f"groups of {settings.split_by!r}, drawn at random"
    return f"the latest by {settings.split_time!r}" if settings.split_time else "drawn at random"
