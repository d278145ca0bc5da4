"""Columns of plain numbers, learned and transformed many at a time.

A table may have thousands of columns of a few rows, where the calls for each column would take most
of the time. The results have the bits of `NumberColumn.learn` and `NumberColumn.transform`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import Array
from handnn.tables.cells import Floats
from handnn.tables.column import ValueColumn
from handnn.tables.moments import standardizations
from handnn.tables.number import NumberColumn
from handnn.tables.recipe import ColumnScale
from handnn.tables.table_reader import TableReader

MIN_COLUMNS = 16
"""With fewer columns, processing them together saves no time."""

BLOCK_CELLS = 2**22
"""The largest number of cells that are processed at a time."""


def learn_plain(
    reader: TableReader, places: Collection[int], scale: ColumnScale
) -> dict[int, NumberColumn]:
    """Return the columns that hold only numbers and at least one value, by index.

    The list is empty for the scale "quantile".
    """
    found: dict[int, NumberColumn] = {}
    if scale == "quantile":
        return found
    for chosen, values in _blocks(reader, places):
        missing = np.isnan(values)
        has_gaps = missing.any(axis=1)
        is_usable = ~(missing.all(axis=1) | np.isinf(values).any(axis=1))
        with np.errstate(over="ignore", invalid="ignore"):
            median = np.median(values, axis=1)
            for row in np.flatnonzero(has_gaps & is_usable).tolist():
                median[row] = np.median(values[row][~missing[row]])
                values[row][missing[row]] = median[row]
            mean, deviation = np.zeros(len(values)), np.ones(len(values))
            if scale:
                mean, deviation = standardizations(values)
        is_usable &= np.isfinite(median) & np.isfinite(mean) & np.isfinite(deviation)
        parts = (is_usable, median, mean, deviation, has_gaps)
        rows = zip(*(part.tolist() for part in parts), strict=True)
        for place, (usable, *numbers) in zip(chosen, rows, strict=True):
            if usable:
                found[place] = NumberColumn(*numbers)
    return found


def transform_plain(
    reader: TableReader,
    columns: Sequence[tuple[int, ValueColumn]],
    out: Array,
) -> set[int]:
    """Write the inputs of the columns that hold only numbers; return which of `columns` these are.

    columns: by their index in the table. out: as `Columns.transform` returns it: the numbers,
    then the indicators of missing values.
    """
    numbers: dict[int, tuple[int, NumberColumn]] = {}
    indicators: dict[int, int] = {}
    for number, (place, column) in enumerate(columns):
        if isinstance(column, NumberColumn) and not column.knots:
            numbers[place] = number, column
        if column.has_gaps:
            indicators[number] = len(columns) + len(indicators)
    done: set[int] = set()
    for chosen, values in _blocks(reader, numbers):
        if np.isinf(values).any():
            continue
        at = [numbers[place][0] for place in chosen]
        learned = [numbers[place][1] for place in chosen]
        missing = np.isnan(values)
        values = np.where(missing, _column([c.median for c in learned]), values)
        with np.errstate(over="ignore"):
            values -= _column([c.mean for c in learned])
            values /= _column([c.scale for c in learned])
            out[:, at] = values.T
        for row, number in enumerate(at):
            if number in indicators:
                out[:, indicators[number]] = missing[row]
        done.update(at)
    return done


def _column(values: list[float]) -> Floats:
    return np.array(values)[:, None]


def _blocks(
    reader: TableReader, places: Iterable[int]
) -> Iterator[tuple[list[int], NDArray[np.float64]]]:
    """Yield the indices and the values (K, N) of some columns of numbers at a time."""
    size = max(1, BLOCK_CELLS // max(1, reader.n_rows))
    pairs = ((place, reader.plain(place)) for place in places)
    plain = [(place, values) for place, values in pairs if values is not None]
    if len(plain) < MIN_COLUMNS or not reader.n_rows:
        return
    for first in range(0, len(plain), size):
        chosen, arrays = zip(*plain[first : first + size], strict=True)
        values = np.empty((len(arrays), reader.n_rows))
        for row, array in enumerate(arrays):
            values[row] = array
        yield list(chosen), values
