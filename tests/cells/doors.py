"""The Python interfaces of handnn that take cells, in tables or in targets."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

Cells = list[object]


def only(*kinds: type) -> Callable[[object], bool]:
    """Return whether a cell has exactly one of these types."""
    return lambda cell: type(cell) in kinds


def anything(cell: object) -> bool:
    """Every cell of the page."""
    return True


def whole(low: int, high: int) -> Callable[[object], bool]:
    """Return whether a cell is an integer that fits."""
    return lambda cell: type(cell) is int and low <= cell < high


def or_gap(holds: Callable[[object], bool]) -> Callable[[object], bool]:
    """Allow None as well."""
    return lambda cell: cell is None or holds(cell)


def small(cell: object) -> bool:
    """A float that float32 holds exactly, or whose shortest text is the same."""
    return type(cell) is float and not 3e38 < abs(cell) < math.inf


@dataclass(frozen=True)
class Door:
    """An interface for columns and, unless `is_table`, for targets.

    holds: whether a cell can be put into such a container. make: a column from cells.
    """

    name: str
    holds: Callable[[object], bool]
    make: Callable[[Cells], object]
    is_table: bool = False

    def table(self, cells: Cells) -> object:
        """Return a table with the column "a"."""
        return self.make(cells) if self.is_table else {"a": self.make(cells)}

    def __str__(self) -> str:
        return self.name


def numpy(dtype: object) -> Callable[[Cells], object]:
    return lambda cells: np.array(cells, dtype)


def objects(cells: Cells) -> object:
    array = np.empty(len(cells), object)
    array[:] = cells
    return array


def pandas(dtype: object) -> Callable[[Cells], object]:
    return lambda cells: pd.Series(cells, dtype=dtype)


def arrow(kind: pa.DataType) -> Callable[[Cells], object]:
    return lambda cells: pd.Series(pd.array(cells, dtype=pd.ArrowDtype(kind)))


def polars(dtype: object) -> Callable[[Cells], object]:
    return lambda cells: pl.Series("a", cells, dtype=dtype)


TEXT, INT, FLOAT, BOOL = only(str), whole(-(2**63), 2**63), only(float), only(bool)
UINT, DATE, TIME = whole(0, 2**64), only(date), only(datetime)
NAIVE = lambda cell: type(cell) is datetime and cell.tzinfo is None  # noqa: E731
AWARE = lambda cell: type(cell) is datetime and cell.tzinfo is not None  # noqa: E731
DECIMAL = only(Decimal)

DOORS = [
    Door("a list", anything, list),
    Door("a tuple", anything, tuple),
    Door("rows that are lists", anything, lambda cells: [[cell] for cell in cells], True),
    Door("rows that are dicts", anything, lambda cells: [{"a": cell} for cell in cells], True),
    Door("NumPy of objects", anything, objects),
    Door("NumPy rows of objects", anything, lambda cells: objects(cells)[:, None], True),
    Door("NumPy of text", TEXT, numpy(str)),
    Door("NumPy rows of text", TEXT, lambda cells: np.array(cells, str)[:, None], True),
    Door("NumPy int64", INT, numpy(np.int64)),
    Door("NumPy uint64", UINT, numpy(np.uint64)),
    Door("NumPy float64", FLOAT, numpy(np.float64)),
    Door("NumPy bool", BOOL, numpy(bool)),
    Door("NumPy datetime64", NAIVE, numpy("M8[ns]")),
    Door("NumPy datetime64 of days", DATE, numpy("M8[D]")),
    Door("a masked array", or_gap(FLOAT), lambda cells: np.ma.masked_array(
        [0.0 if cell is None else cell for cell in cells], [cell is None for cell in cells]
    )),
    Door("a structured array", FLOAT, lambda cells: np.array(
        [(cell,) for cell in cells], [("a", "f8")]
    ), True),
    Door("pandas", anything, lambda cells: pd.DataFrame({"a": objects(cells)}), True),
    Door("pandas as inferred", anything, lambda cells: pd.DataFrame({"a": cells}), True),
    Door("pandas of objects", anything, pandas(object)),
    Door("pandas string", or_gap(TEXT), pandas("string")),
    Door("pandas category", or_gap(TEXT), pandas("category")),
    Door("pandas category of integers", or_gap(INT), pandas("category")),
    Door("pandas Int64", or_gap(INT), pandas("Int64")),
    Door("pandas UInt64", or_gap(UINT), pandas("UInt64")),
    Door("pandas Float64", or_gap(FLOAT), pandas("Float64")),
    Door("pandas boolean", or_gap(BOOL), pandas("boolean")),
    Door("pandas datetime64", or_gap(NAIVE), pandas("datetime64[ns]")),
    Door("pandas datetime64 with a zone", or_gap(AWARE), pandas("datetime64[us, Europe/Berlin]")),
    Door("pandas pyarrow string", or_gap(TEXT), arrow(pa.string())),
    Door("pandas pyarrow int64", or_gap(INT), arrow(pa.int64())),
    Door("pandas pyarrow uint64", or_gap(UINT), arrow(pa.uint64())),
    Door("pandas pyarrow double", or_gap(FLOAT), arrow(pa.float64())),
    Door("pandas pyarrow bool", or_gap(BOOL), arrow(pa.bool_())),
    Door("pandas pyarrow decimal", or_gap(DECIMAL), arrow(pa.decimal128(30, 4))),
    Door("pandas pyarrow date", or_gap(DATE), arrow(pa.date32())),
    Door("pandas pyarrow timestamp", or_gap(NAIVE), arrow(pa.timestamp("us"))),
    Door("polars String", or_gap(TEXT), polars(pl.String)),
    Door("polars frame of String", or_gap(TEXT), lambda cells: pl.DataFrame(
        {"a": cells}, {"a": pl.String}
    ), True),
    Door("polars Categorical", or_gap(TEXT), polars(pl.Categorical)),
    Door("polars Int64", or_gap(INT), polars(pl.Int64)),
    Door("polars UInt64", or_gap(UINT), polars(pl.UInt64)),
    Door("polars Int128", or_gap(UINT), polars(pl.Int128)),
    Door("polars Int8", or_gap(whole(-128, 128)), polars(pl.Int8)),
    Door("polars Float64", or_gap(FLOAT), polars(pl.Float64)),
    Door("polars Boolean", or_gap(BOOL), polars(pl.Boolean)),
    Door("polars Decimal", or_gap(DECIMAL), polars(pl.Decimal(30, 4))),
    Door("polars Date", or_gap(DATE), polars(pl.Date)),
    Door("polars Datetime", or_gap(NAIVE), polars(pl.Datetime("ns"))),
    Door("polars Datetime with a zone", or_gap(AWARE), polars(
        pl.Datetime("us", "Europe/Berlin")
    )),
]  # fmt: skip
"""Every Python interface. `test_doors.py` compares them with the existing readers."""
