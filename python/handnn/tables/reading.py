"""Reading: what people call a table, taken apart into named columns of cells."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handnn.tables.cells import Cells, cells, parse

TableLike: TypeAlias = object
"""A DataFrame of pandas or polars, a dict from a name to a column, or rows of cells.

Anything may be passed; `Reader` raises TypeError for what is not a table.
"""


class Reader:
    """The columns of a table, to be asked for one by one.

    names: of the columns, None when they have none. Raises TypeError when `table` is no table,
    ValueError when it has no columns, or two of one name, or rows of different lengths.
    """

    def __init__(self, table: Any, where: str) -> None:
        self.where = where
        self.names: tuple[str, ...] | None = None
        self._columns: list[Any]
        self._is_loose = False
        if getattr(getattr(table, "dtype", None), "names", None):  # a structured array
            table = {name: table[name] for name in table.dtype.names}
        if isinstance(table, Mapping):
            self._name(list(table))
            self._columns = list(table.values())
        elif hasattr(table, "__len__") and hasattr(table, "columns"):  # a LazyFrame has no length
            keys = list(table.columns)
            self._name(keys)
            self._columns = [table[key] for key in keys]
        else:
            array = _array(table, where)
            self._columns = list(array.T)
            self._is_loose = array.dtype.kind in "OUT"
        if not self._columns:
            raise ValueError(f"{where}: the table has no columns")
        lengths = [_length(column, where) for column in self._columns]
        for place, length in enumerate(lengths):
            if length != lengths[0]:
                raise ValueError(
                    f"{where}: {self.call(0)} has {lengths[0]} rows but {self.call(place)} "
                    f"has {length}"
                )
        self.n_rows = lengths[0]

    def _name(self, keys: list[Any]) -> None:
        """Take the keys as names if they are text; numbers are only places."""
        is_text = [isinstance(key, str) for key in keys]
        if not any(is_text):
            if any(isinstance(key, tuple) for key in keys) or len(set(keys)) < len(keys):
                raise ValueError(f"{self.where}: the columns must have names, but are {keys!s:.80}")
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

    def call(self, place: int) -> str:
        """Return what a message calls the column in this place."""
        return f"column {place}" if self.names is None else f"column {self.names[place]!r}"

    def key(self, place: int) -> str | int:
        """Return its name, or its place when it has none."""
        return place if self.names is None else self.names[place]

    def cells(self, place: int) -> Cells:
        """Return the cells of the column in this place."""
        column = self._columns[place]
        if type(column) is np.ndarray:
            column = np.ascontiguousarray(column)  # a column of an array: it is read several times
        return cells(
            column,
            self.call(place),
            self.key(place),
            self.where,
            loose=self._is_loose or isinstance(column, list | tuple),
        )


def check_different(names: Iterable[str], what: str) -> None:
    """Raise ValueError when a name is there twice."""
    for name, count in Counter(names).items():
        if count > 1:
            raise ValueError(f"{what} has two columns {name!r}")


def _array(table: Any, where: str) -> NDArray[Any]:
    """Return rows of cells as a 2-D array: of numbers if they are all numbers, else of objects."""
    if isinstance(table, np.ma.MaskedArray):
        masked = np.ma.getmaskarray(table)
        table = table.data.astype(object)
        table[masked] = None
    if isinstance(table, list | tuple):
        return _rows(table, where)
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


def _rows(table: list[Any] | tuple[Any, ...], where: str) -> NDArray[Any]:
    kinds = list(map(type, table))
    for kind in dict.fromkeys(kinds):
        if not issubclass(kind, list | tuple | np.ndarray):
            row = table[kinds.index(kind)]
            raise ValueError(f"{where}: row {kinds.index(kind)} is no list of cells: {row!r:.80}")
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


def _length(column: ArrayLike, where: str) -> int:
    try:
        return len(column)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(
            f"{where}: a column must be an array of values, but is {column!r:.80}"
        ) from None


def read_csv(path: str | os.PathLike[str], delimiter: str = ",") -> dict[str, list[str]]:
    """Read a CSV file in UTF-8 whose first line names the columns: a dict from name to cells.

    The cells are text as it stands there; `Columns.learn` takes a column whose cells all read as
    numbers, or are empty, for one of numbers. Empty lines are skipped. Raises ValueError when two
    columns have one name or a line has more or fewer cells, OSError when it can't be read.
    """
    path = os.fspath(path)
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


def typed(values: list[str]) -> NDArray[Any] | list[str]:
    """Return a column of a CSV file as numbers if it holds nothing else, or as the text it is.

    int64 (N,) when every cell is a whole number written without a point; float64, NaN in gaps, when
    they are numbers. So a file's target can be told from labels: ``Target.learn(typed(column))``.
    """
    try:
        return np.array(list(map(int, values)), np.int64)
    except (OverflowError, ValueError):
        pass
    column = cells(list(values), "the column", 0, "typed", loose=True)
    found = np.full(len(values), np.nan)
    found[column.text] = parse(column.values[column.text].tolist())
    return list(values) if np.isnan(found[column.text]).any() else found
