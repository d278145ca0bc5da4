"""The interpretation of polars columns, without a Python object for each cell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from handnn.tables.cells.column import Cells, read_cells
from handnn.tables.cells.text import (
    BOOL_NUMBERS,
    BOOLS,
    DEFAULT_GAPS,
    SPACES,
    GapWords,
    category_text,
    text_of,
)

if TYPE_CHECKING:
    from polars import Series

NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,9})?$"
"""A pattern of the strings that `number_text` converts."""


@dataclass(frozen=True)
class SeriesCells:
    """A polars column of any type, interpreted as numbers, strings and gaps.

    Attributes:
        values: the column; text without the spaces around it.
        gaps: the strings, and numbers equal to them, that mean a missing value.

    Examples:
        >>> import polars as pl
        >>> from handnn.tables.cells import read_series
        >>> cells = read_series(pl.Series(["1.0", " 01", "NA", "true", "x"]))
        >>> cells.texts.to_list(), cells.numbers.to_list()
        (['1', '1', None, 'true', 'x'], [1.0, 1.0, None, 1.0, None])
    """

    values: Series
    gaps: GapWords = DEFAULT_GAPS

    @property
    def is_text(self) -> bool:
        """Whether the column holds text; else numbers, bools, dates or nothing."""
        return str(self.values.dtype) in ("String", "Categorical", "Enum")

    @cached_property
    def missing(self) -> Series:
        """(N,) Boolean: True where a value is missing."""
        values = self.values
        missing = values.is_null()
        if self.is_text:
            missing |= values.is_in([*self.gaps.words]).fill_null(False)
            if self.gaps.keys:
                missing |= self._all_texts.is_in([*self.gaps.keys]).fill_null(False)
        elif values.dtype.is_numeric():
            if values.dtype.is_float():
                missing |= values.is_nan().fill_null(False)
            for number in self.gaps.numbers:
                missing |= (values == number).fill_null(False)
        return missing

    @cached_property
    def numbers(self) -> Series:
        """(N,) Float64: numbers, 1 and 0 for booleans; null for missing values and all others."""
        import polars as pl

        values = self.values
        if values.dtype.is_temporal() or values.dtype == pl.Null:
            found = pl.Series(values.name, [None] * len(values), pl.Float64)
        elif self.is_text:
            is_number = values.str.contains(NUMBER).fill_null(False)
            plain = pl.select(pl.when(is_number).then(values)).to_series()
            bools = values.replace_strict(
                {word: BOOL_NUMBERS[text] for word, text in BOOLS.items()},
                default=None,
                return_dtype=pl.Float64,
            )
            found = plain.cast(pl.Float64, strict=False).fill_null(bools)
        else:
            found = values.cast(pl.Float64)
        return pl.select(pl.when(~self.missing).then(found)).to_series().alias(values.name)

    @cached_property
    def texts(self) -> Series:
        """(N,) String: the category text of each value, null where it is missing."""
        import polars as pl

        found = pl.select(pl.when(~self.missing).then(self._all_texts)).to_series()
        return found.alias(self.values.name)

    def texts_with(self, labels: set[str]) -> Series:
        """Return `texts`, but keep gap words that are `labels` of training."""
        import polars as pl

        is_present = ~self.missing | self._all_texts.is_in([*labels]).fill_null(False)
        found = pl.select(pl.when(is_present).then(self._all_texts)).to_series()
        return found.alias(self.values.name)

    @cached_property
    def bools(self) -> Series:
        """(N,) Boolean: True where the value is a boolean, typed or as text."""
        import polars as pl

        values = self.values
        if values.dtype == pl.Boolean:
            return values.is_not_null()
        if not self.is_text:
            return pl.Series(values.name, np.zeros(len(values), bool))
        return values.is_in([*BOOLS]).fill_null(False)

    def cells(self, key: str, where: str) -> Cells:
        """Return the column as `Cells`, with a Python object for each cell."""
        return read_cells(self.values, f"column {key!r}", key, where, self.gaps)

    @cached_property
    def _all_texts(self) -> Series:
        """The category strings, also of gap words."""
        import polars as pl

        values = self.values
        if self.is_text:
            return self._mapped({v: text_of(v) for v in values.unique().to_list() if v is not None})
        if values.dtype.is_integer():
            texts = values.cast(pl.String)
            is_long = (texts.str.len_chars() > 20).fill_null(False)
            return self._each() if is_long.any() else texts
        return self._each()

    def _mapped(self, texts: dict[str, str]) -> Series:
        import polars as pl

        changed = {value: text for value, text in texts.items() if value != text}
        values = self.values.cast(pl.String)
        return values.replace(list(changed), list(changed.values())) if changed else values

    def _each(self) -> Series:
        """Return the category text of each distinct value."""
        import polars as pl

        values, dtype = self.values, self.values.dtype
        distinct = values.unique().drop_nulls()
        if dtype.is_float():
            distinct = distinct.drop_nans()
        found = distinct.to_numpy() if dtype.is_float() or dtype.is_temporal() else distinct
        texts = list(map(category_text, found))
        if not texts:
            return values.clear(len(values)).cast(pl.String)
        return values.replace_strict(distinct, texts, default=None, return_dtype=pl.String)


def read_series(values: Series, gaps: GapWords = DEFAULT_GAPS) -> SeriesCells:
    """Return a column of polars as `SeriesCells`.

    Spaces around text are removed. Cells are interpreted as by `read_cells`.
    """
    import polars as pl

    if values.dtype in (pl.Categorical, pl.Enum):
        values = values.cast(pl.String)
    if values.dtype == pl.String:
        values = values.str.strip_chars(SPACES)
    return SeriesCells(values, gaps)
