"""The cells of a block, interpreted as in `tables.cells`, with the decimal point of the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from handnn.tables.cells import DEFAULT_GAPS, GapWords, SeriesCells, read_series

if TYPE_CHECKING:
    from polars import DataFrame, DataType, Series

MAX_NUMBER = 1e100
"""Larger numbers are treated as mistakes. Squares of sums of smaller numbers are finite."""

UNITS = "[$€£¥%]|EUR|USD|GBP|CHF"

WITH_UNIT = (
    r"^(?:[+-]?[0-9]+(?:\.[0-9]+)? ?(?:[$€£¥%]|EUR|USD|GBP|CHF)"
    r"|[+-]?[$€£¥] ?[0-9]+(?:\.[0-9]+)?)$"
)
"""A number with a percent sign or a currency, without separators of thousands."""

UNIT_SIGNS = r" ?(?:[$€£¥%]|EUR|USD|GBP|CHF) ?"


@dataclass(frozen=True)
class CellFormat:
    """The notation of the strings of a file.

    Attributes:
        decimal: the decimal point of numbers in text, "." or ",".
        gaps: the strings, and the numbers equal to them, that mean a missing value.
    """

    decimal: str = "."
    gaps: GapWords = DEFAULT_GAPS


@dataclass(frozen=True)
class FileCells:
    """One column of a block.

    Attributes:
        column: the cells as they are in the file.
        format: how its strings are written.
    """

    column: Series
    format: CellFormat

    @cached_property
    def cells(self) -> SeriesCells:
        """The cells as in `tables.cells`, after conversion of the decimal point."""
        return read_series(self.column, self.format.gaps)

    @cached_property
    def missing(self) -> Series:
        """(N,) Boolean: True where a value is missing."""
        missing = self.cells.missing
        if self._is_written_otherwise and self.format.gaps.keys:
            missing |= self._plain.missing & self._plain.values.is_not_null()
        return missing

    @cached_property
    def numbers(self) -> Series:
        """(N,) Float64: numbers, also those with a unit; null for all other cells."""
        return self._plain.numbers

    @property
    def with_plain_numbers(self) -> Series:
        """The cells, with a point in place of the decimal comma of numbers."""
        import polars as pl

        values = self.cells.values
        if not self.cells.is_text or self.format.decimal == ".":
            return values
        plain = pl.when(self.numbers.is_not_null()).then(self._plain.values)
        return pl.select(plain.otherwise(values)).to_series().alias(values.name)

    @cached_property
    def units(self) -> Series:
        """(N,) String: the units of numbers that have one, such as "%"; else null."""
        import polars as pl

        if not self.cells.is_text:
            return pl.Series(self.column.name, [None] * len(self.column), pl.String)
        text = self._with_points
        has_unit = text.str.contains(WITH_UNIT).fill_null(False)
        signs = text.str.extract(f"({UNITS})")
        return pl.select(pl.when(has_unit).then(signs)).to_series()

    @property
    def _is_written_otherwise(self) -> bool:
        return self.cells.is_text and self._plain is not self.cells

    @cached_property
    def _with_points(self) -> Series:
        """The strings with a decimal point instead of a comma; null where they contain a point."""
        import polars as pl

        text = self.cells.values
        if self.format.decimal == ".":
            return text
        has_point = text.str.contains(".", literal=True)
        commas = text.str.replace(self.format.decimal, ".", literal=True)
        return pl.select(pl.when(~has_point).then(commas)).to_series()

    @cached_property
    def _plain(self) -> SeriesCells:
        """The cells with decimal points and without units."""
        import polars as pl

        if not self.cells.is_text:
            return self.cells
        text = self._with_points
        if self.format.decimal == "." and not text.str.contains(WITH_UNIT).any():
            return self.cells
        without = text.str.replace_all(UNIT_SIGNS, "")
        has_unit = text.str.contains(WITH_UNIT)
        plain = pl.select(pl.when(has_unit).then(without).otherwise(text)).to_series()
        return SeriesCells(plain, self.format.gaps)


def plain_numbers(frame: DataFrame, written: CellFormat) -> dict[str, Series]:
    """Return the columns that hold only numbers up to `MAX_NUMBER` and empty cells, as Float64.

    The result equals `FileCells.numbers` for each column, but is faster for many columns.
    """
    import polars as pl

    if written.decimal != "." or written.gaps.keys or not len(frame):
        return {}
    columns = [c for c in frame.get_columns() if c.dtype == pl.String or _is_real(c.dtype)]
    if not columns:
        return {}
    # A cast accepts strings that match `NUMBER`, and those that mean infinity or NaN.
    numbers = pl.DataFrame(columns).cast(pl.Float64, strict=False)
    values = numbers.to_numpy(order="fortran")
    with np.errstate(invalid="ignore"):
        is_large = (abs(values) > MAX_NUMBER).any(axis=0)
    n_nan = np.isnan(values).sum(axis=0)  # also where a cell is empty
    n_empty = np.array([column.null_count() for column in columns])
    is_plain = (~is_large & (n_nan == n_empty)).tolist()
    pairs = zip(columns, numbers.get_columns(), is_plain, strict=True)
    return {column.name: found for column, found, plain in pairs if plain}


def _is_real(dtype: DataType) -> bool:
    return dtype.is_float() or dtype.is_integer()


def is_readable(dtype: DataType) -> bool:
    """Return whether a column of this type holds numbers, text, bools or dates."""
    import polars as pl

    others = (pl.Boolean, pl.Categorical, pl.Enum, pl.Null, pl.String, pl.Date)
    return dtype.is_numeric() or dtype in others or isinstance(dtype, pl.Datetime)


def frame_of(columns: Mapping[str, Series]) -> DataFrame:
    """Return columns as a DataFrame. Names are taken literally, also "*" and "^x$"."""
    import polars as pl

    if "" in columns:  # polars names such a column of a list itself
        return pl.DataFrame(dict(columns))
    named = [c if c.name == name else c.alias(name) for name, c in columns.items()]
    return pl.DataFrame(named)


def select(frame: DataFrame, names: Sequence[str]) -> DataFrame:
    """Return some columns of a frame. Names are taken literally, also "*" and "^x$"."""
    if frame.columns == list(names):
        return frame
    columns = {column.name: column for column in frame.get_columns()}
    return frame_of({name: columns[name] for name in names})


def drop(frame: DataFrame, *names: str) -> DataFrame:
    """Return a frame without some columns, whose names are taken literally."""
    return frame_of({c.name: c for c in frame.get_columns() if c.name not in names})
