"""Reading a table: separate it into named columns of cells."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Sized
from typing import Any, TypeAlias

import numpy as np

from handnn.storage import as_path
from handnn.tables.cells import DEFAULT_GAPS, AnyArray, Cells, GapWords, read_cells, strip

TableLike: TypeAlias = object
"""A DataFrame of pandas or polars, a dict from names to columns, or rows of cells.

A row is a list, or a dict from names to cells; one such dict is a table of one row.

Any object may be passed; `TableReader` raises TypeError if it is not a table.
"""

REALS = {
    *("float16", "float32", "float64"),
    *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
}
"""The names of real dtypes in NumPy, pandas and polars, in lower case."""


class TableReader:
    """The columns of a table, converted to cells one at a time.

    names: of the columns, None if they have none. Raises TypeError if `table` is not a table,
    ValueError if it has no columns, duplicate names, or rows of different lengths.
    """

    def __init__(self, table: TableLike, where: str, gaps: GapWords = DEFAULT_GAPS) -> None:
        self.where = where
        self._gaps = gaps
        self.names: tuple[str, ...] | None = None
        self._columns: list[object]
        if isinstance(table, np.ndarray) and table.dtype.names:  # a structured array
            table = {name: table[name] for name in table.dtype.names}
        if isinstance(table, Mapping) and table and all(map(is_scalar, table.values())):
            table = [table]
        if isinstance(table, list | tuple) and table and all(isinstance(r, Mapping) for r in table):
            table = _columns_of_rows(table, where)
        if isinstance(table, Mapping):
            self._set_names(list(table))
            self._columns = list(table.values())
        elif isinstance(table, Sized) and hasattr(table, "columns"):  # a LazyFrame has no length
            frame: Any = table
            keys = list(frame.columns)
            self._set_names(keys)
            self._columns = [frame[key] for key in keys]
        else:
            array = _array(table, where)
            self._columns = list(array.T)
        if not self._columns:
            raise ValueError(f"{where}: the table has no columns")
        lengths = [_length(column, where) for column in self._columns]
        for place, length in enumerate(lengths):
            if length != lengths[0]:
                raise ValueError(
                    f"{where}: {self.describe(0)} has {lengths[0]} rows but "
                    f"{self.describe(place)} has {length}"
                )
        self.n_rows = lengths[0]

    def _set_names(self, keys: list[object]) -> None:
        """Take text keys as names; numbers are positions, so the columns have no names."""
        is_text = [isinstance(key, str) for key in keys]
        if not any(is_text):
            if any(isinstance(key, tuple) for key in keys) or len(set(keys)) < len(keys):
                raise ValueError(
                    f"{self.where}: the columns must have names, but have {keys!s:.80}"
                )
            return
        if not all(is_text):
            raise TypeError(
                f"{self.where}: the names of the columns must all be text, but one is "
                f"{keys[is_text.index(False)]!r}"
            )
        names = tuple(map(str, keys))
        check_different(names, f"{self.where}: the table")
        self.names = names

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(self._columns)

    def describe(self, place: int) -> str:
        """Return the column at this position as messages name it."""
        return f"column {place}" if self.names is None else f"column {self.names[place]!r}"

    def key(self, place: int) -> str | int:
        """Return the name of the column, or its position if it has none."""
        return place if self.names is None else self.names[place]

    def cells(self, place: int) -> Cells:
        """Return the cells of the column at this position."""
        column = self._columns[place]
        if type(column) is np.ndarray:
            column = np.ascontiguousarray(column)  # several passes read it
        name = self.describe(place)
        return read_cells(column, name, self.key(place), self.where, self._gaps)

    def plain(self, place: int) -> AnyArray | None:
        """Return the column at this position as an array (N,) if it has a real dtype, else None.

        Missing values are NaN. None also where some numbers mean a missing value.
        """
        column: Any = self._columns[place]
        if self._gaps.numbers or str(getattr(column, "dtype", "")).lower() not in REALS:
            return None
        array = column.to_numpy() if hasattr(column, "to_numpy") else column
        is_plain = type(array) is np.ndarray and array.ndim == 1 and array.dtype.kind in "fiu"
        return array if is_plain else None


def is_scalar(value: object) -> bool:
    """Return whether a value is one cell rather than a column."""
    return isinstance(value, str | bytes) or not hasattr(value, "__len__")


def _columns_of_rows(rows: Sequence[Mapping[object, object]], where: str) -> dict[object, object]:
    """Return rows that are dicts as a dict of columns; each row must have the same names."""
    first = rows[0].keys()
    for place, row in enumerate(rows):
        if row.keys() != first:
            name, *_ = [*(first - row.keys()), *(row.keys() - first)]
            has, lacks = (place, 0) if name in row else (0, place)
            raise ValueError(
                f"{where}: row {has} has {name!r}, but row {lacks} does not; write None for a "
                "missing value"
            )
    return {name: [row[name] for row in rows] for name in first}


def check_different(names: Iterable[str], what: str) -> None:
    """Raise ValueError if a name occurs twice."""
    for name, count in Counter(names).items():
        if count > 1:
            raise ValueError(f"{what} has two columns {name!r}")


def _array(table: TableLike, where: str) -> AnyArray:
    """Return rows of cells as a 2-D array: of numbers if they are all numbers, else of objects."""
    if isinstance(table, np.ma.MaskedArray):
        masked = np.ma.getmaskarray(table)
        table = table.data.astype(object)
        table[masked] = None
    if isinstance(table, list | tuple):
        return _array_of_rows(table, where)
    if isinstance(table, str | bytes) or not (
        hasattr(table, "__array__") or isinstance(table, Iterable)
    ):
        raise TypeError(
            f"{where}: table must be a DataFrame, a dict of columns, or rows of cells, but is a "
            f"{type(table).__name__}"
        )
    array = np.asarray(table)
    if array.ndim != 2:
        raise ValueError(f"{where}: the table must have shape (N, I), but has {array.shape}")
    return array


def _array_of_rows(table: list[Sized] | tuple[Sized, ...], where: str) -> AnyArray:
    kinds = list(map(type, table))
    for kind in dict.fromkeys(kinds):
        if not issubclass(kind, list | tuple | np.ndarray):
            row = table[kinds.index(kind)]
            raise ValueError(
                f"{where}: row {kinds.index(kind)} must be a list of cells, but is {row!r:.80}"
            )
    lengths = list(map(len, table))
    for length in dict.fromkeys(lengths):
        if length != lengths[0]:
            raise ValueError(
                f"{where}: row 0 has {lengths[0]} cells but row {lengths.index(length)} has "
                f"{length}"
            )
    array = np.empty((len(table), lengths[0] if lengths else 0), object)
    if array.size:
        try:
            array[...] = table
        except ValueError:
            raise ValueError(f"{where}: the table has cells that are lists") from None
    return array


def _length(column: object, where: str) -> int:
    if isinstance(column, Sized):
        try:
            return len(column)
        except TypeError:  # an array without dimensions
            pass
    raise TypeError(f"{where}: a column must be an array of values, but is {column!r:.80}")


def read_csv(path: str | os.PathLike[str], delimiter: str = ",") -> dict[str, list[str]]:
    """Read a UTF-8 CSV file with a header: a dict from column names to cells.

    The cells are text as in the file; `Columns.learn` detects which columns hold numbers. Empty
    lines are skipped. Raises ValueError if two columns have the same name or a line has a different
    number of cells than the header, OSError if the file cannot be read.

    Examples:
        >>> import os, tempfile
        >>> from handnn.tables import read_csv
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "flats.csv")
        ...     with open(path, "w") as file:
        ...         _ = file.write("size,town\\n45,Ulm\\n,Bonn\\n")
        ...     read_csv(path)
        {'size': ['45', ''], 'town': ['Ulm', 'Bonn']}
    """
    path = as_path(path, "read_csv: path")
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            names = next(reader, [])
            rows = []
            for row in reader:
                if row and len(row) != len(names):
                    raise ValueError(f"has {len(row)} cells, but {len(names)} columns are named")
                if row:
                    rows.append(row)
        except (csv.Error, ValueError) as error:  # a UnicodeDecodeError is a ValueError
            raise ValueError(f"read_csv: {path}, line {reader.line_num}: {error}") from None
    check_different(names, f"read_csv: {path}")
    columns = map(list, zip(*rows, strict=True)) if rows else ([] for _ in names)
    return dict(zip(names, columns, strict=True))


def typed(values: list[str]) -> AnyArray | list[str]:
    """Return a column of a CSV file as an array if it holds only numbers, else unchanged.

    int64 (N,) if every cell is an integer without a decimal point, else float64 (N,) with NaN for
    missing values. So `Target.learn` can distinguish values from labels.

    Examples:
        >>> from handnn.tables import typed
        >>> typed(["1", "2.5", ""]), typed(["1", "x"])
        (array([1. , 2.5, nan]), ['1', 'x'])
    """
    column = read_cells(list(values), "the column", 0, "typed")
    if np.isnan(column.floats[column.text]).any() or column.bools.any():
        return list(values)
    try:
        return np.array(list(map(int, map(strip, values))), np.int64)
    except (OverflowError, ValueError):
        return column.floats
