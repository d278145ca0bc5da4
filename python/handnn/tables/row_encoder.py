"""Encode a table of one row: cell by cell in Python, which is faster than arrays of one element.

The inputs have the bits of `Columns.transform` for many rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from handnn.arrays import Array
from handnn.tables.category import CategoryColumn
from handnn.tables.cells import Cells, GapWords, UnusualCell, one_number, read_cells
from handnn.tables.column import ValueColumn
from handnn.tables.number import NumberColumn
from handnn.tables.one_row import Names, OneRow, one_row
from handnn.tables.table_reader import TableLike

Inputs = tuple[float, list[float], bool]
"""The first input of a cell, its other inputs, and whether it is missing."""

LARGEST = {np.dtype(kind): float(np.finfo(kind).max) for kind in (np.float32, np.float64)}


class RowEncoder:
    """Encodes one row like `Columns.transform`, if it can.

    values, categories: the columns of each group, with their positions in the training table.
    names, gaps: those of the `Columns`. one_hot: whether categories are one-hot columns.
    """

    def __init__(
        self,
        values: Sequence[tuple[int, ValueColumn]],
        categories: Sequence[tuple[int, CategoryColumn]],
        names: Names | None,
        gaps: GapWords,
        *,
        one_hot: bool,
    ) -> None:
        self._values = values
        self._categories = categories
        self._names = names
        self._gaps = gaps
        self._one_hot = one_hot
        self._in_order = range(len(values) + len(categories))
        self._last: tuple[Names, Sequence[int]] = ((), ())  # most calls have the names of the last

    def __call__(
        self, table: TableLike, dtype: np.dtype[np.floating], where: str, *, ignores_others: bool
    ) -> Array | None:
        """Return the inputs (1, I) of a table of one row.

        None for any other table, for types of tables without a fast way, and where
        `Columns.transform` raises an error.
        """
        row = one_row(table, has_texts=bool(self._categories))
        places = None if row is None else self._places(row, ignores_others)
        if row is None or places is None:
            return None
        try:
            numbers, others = self._encoded(row, places, where)
        except (TypeError, ValueError):
            return None
        limit = LARGEST[dtype]
        if numbers and not (max(numbers) <= limit and min(numbers) >= -limit):
            return None
        return np.array([numbers + others], dtype)

    def _places(self, row: OneRow, ignores_others: bool) -> Sequence[int] | None:
        """Return the position of each column in the row: see `match_columns`; None for an error."""
        names, last = row.names, self._last
        if names is not None and names != last[0]:
            if not all(type(name) is str for name in names) or len(set(names)) < len(names):
                return None
            self._last = last = names, self._matched(names)
        if names is None or self._names is None:
            return self._in_order if len(row.cells) == len(self._in_order) else None
        has_others = len(names) > len(self._names)
        return None if has_others and not ignores_others else last[1] or None

    def _matched(self, names: Names) -> Sequence[int]:
        """Return the position of each column among the names; () if one is missing."""
        found = {name: place for place, name in enumerate(names)}
        if self._names is None or not found.keys() >= set(self._names):
            return ()
        return [found[name] for name in self._names]

    def _encoded(
        self, row: OneRow, places: Sequence[int], where: str
    ) -> tuple[list[float], list[float]]:
        """Return the scaled numbers, and all other inputs, which are small."""
        numbers: list[float] = []
        indicators: list[float] = []
        others: list[float] = []
        for at, column in self._values:
            first, more, is_missing = self._inputs(column, row, places[at], where)
            numbers.append(first)
            others += more
            if column.has_gaps:
                indicators.append(is_missing)
        codes: list[float] = []
        for at, category in self._categories:
            code = self._code(category, row, places[at], where)
            if self._one_hot:
                codes += [float(code == k) for k in range(category.n_one_hot)]
            else:
                codes.append(code)
        return numbers, indicators + others + codes

    def _inputs(self, column: ValueColumn, row: OneRow, place: int, where: str) -> Inputs:
        if type(column) is NumberColumn:
            try:
                number = one_number(row.cells[place], self._gaps)
                return *column.inputs_of_one(number), number != number
            except UnusualCell:
                pass
        cells = self._cells(row, place, where)
        first, *more = column.transform(cells, where)[0].tolist()
        return first, more, bool(cells.missing[0])

    def _code(self, column: CategoryColumn, row: OneRow, place: int, where: str) -> int:
        cell = row.cells[place]
        try:
            if row.keeps_floats or type(cell) is not float or cell != cell:
                return column.code_of_one(cell, self._gaps)
        except UnusualCell:
            pass
        return int(column.codes(self._cells(row, place, where), where)[0])

    def _cells(self, row: OneRow, place: int, where: str) -> Cells:
        """Return the cell as a column, for cells that only arrays can hold."""
        key = place if row.names is None else str(row.names[place])
        return read_cells(row.column(place), f"column {key!r}", key, where, self._gaps)
