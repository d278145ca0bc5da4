"""A table of one row as a list of its cells, without a column for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from handnn.tables.cells import USUAL, AnyArray
from handnn.tables.table_reader import TableLike, is_scalar

Names = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class OneRow:
    """The cells of a table of one row.

    Attributes:
        names: of the columns, None if they have none; not checked.
        cells: those of all columns. All numbers have their value in float64.
        column: returns the column at a position, (1,), as `TableReader` has it.
        keeps_floats: whether floats have their precision, on which their text depends, and whether
            only floats are floats.
    """

    names: Names | None
    cells: Sequence[object]
    column: Callable[[int], object]
    keeps_floats: bool = True


def one_row(table: TableLike, has_texts: bool = True) -> OneRow | None:
    """Return the only row of a table; None if it has others, or for tables of other types.

    Without texts, a frame of numbers is read faster.
    """
    if isinstance(table, Mapping):
        names, values = tuple(table), list(table.values())
        return _of_cells(names, values) or _of_columns(names, values)
    if isinstance(table, list | tuple):
        return _of_rows(table)
    if type(table) is np.ndarray:
        return _of_array(table)
    kind = type(table)
    if kind.__name__ == "DataFrame":
        read = _FRAMES.get(kind.__module__.partition(".")[0])
        return None if read is None else read(table, has_texts)
    return None


def _of_rows(table: Sequence[object]) -> OneRow | None:
    row = table[0] if len(table) == 1 else None
    if isinstance(row, Mapping):
        return _of_cells(tuple(row), list(row.values()))
    return _of_cells(None, list(row)) if isinstance(row, list | tuple) else None


def _of_cells(names: Names | None, cells: list[object]) -> OneRow | None:
    if not (set(map(type, cells)) <= USUAL or all(map(is_scalar, cells))):
        return None
    return OneRow(names, cells, lambda place: [cells[place]])


def _of_columns(names: Names, columns: list[object]) -> OneRow | None:
    """Return the row of a dict of columns, each with one cell."""
    cells: list[object] = []
    keeps_floats = True
    for column in columns:
        if isinstance(column, list | tuple) and len(column) == 1:
            cells.append(column[0])
        elif type(column) is np.ndarray and column.shape == (1,) and column.dtype.kind in "fiubOU":
            cells += column.tolist()
            keeps_floats &= _keeps_floats(column)
        else:
            return None
    return OneRow(names, cells, columns.__getitem__, keeps_floats)


def _of_array(table: AnyArray) -> OneRow | None:
    if table.ndim != 2 or len(table) != 1 or table.dtype.kind not in "fiubOU":
        return None
    cells = table[0].tolist()
    return OneRow(None, cells, lambda place: table[:, place], _keeps_floats(table))


def _keeps_floats(array: AnyArray) -> bool:
    return array.dtype.kind != "f" or array.dtype == np.float64


def _of_pandas(frame: Any, has_texts: bool) -> OneRow | None:
    if len(frame.index) != 1:
        return None
    names = tuple(frame.columns.tolist())
    try:
        # Both convert numbers to a common type; only the second is fast with texts.
        values: Any = None if has_texts else frame.values
        is_fast = values is not None and values.dtype.kind in "fiub"
        cells = (values[0] if is_fast else frame.iloc[0]).tolist()
    except (ArithmeticError, TypeError, ValueError):  # such as long integers of PyArrow to floats
        return None
    return OneRow(names, cells, lambda place: frame[names[place]], keeps_floats=False)


def _of_polars(frame: Any, _: bool) -> OneRow | None:
    if frame.height != 1:
        return None
    names = tuple(frame.columns)
    return OneRow(names, frame.row(0), lambda at: frame[names[at]], keeps_floats=False)


_FRAMES: dict[str, Callable[[Any, bool], OneRow | None]] = {
    "pandas": _of_pandas,
    "polars": _of_polars,
}
