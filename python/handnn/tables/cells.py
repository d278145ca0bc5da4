"""One column of a table as it was given, with its missing values and its texts marked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import repeat
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from handnn.tables.steps import Label

Mask: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.float64]
AnyArray: TypeAlias = NDArray[Any]
"""An array of numbers, bools, text or objects."""

GAPS = {"", "NA", "N/A", "#N/A", "NaN", "nan", "null", "NULL"}
"""Texts that mean a missing value in untyped tables: lists, text arrays and CSV files."""

MISSING_TYPES = {"NoneType", "NAType", "NaTType"}
"""Type names of None, pandas.NA and pandas.NaT. Names, because pandas may not be installed."""

BOOLS = {"true": True, "false": False}


@dataclass(frozen=True)
class Cells:
    """One column of N rows.

    Attributes:
        name: the column in messages: "column 'age'" or "column 3".
        key: the name or position of the column, as in `kinds`.
        values: (N,) numbers, bools or objects; None or NaN where a value is missing.
        missing: (N,) True where a value is missing.
        text: (N,) True where the value is text.
        is_loose: whether the table is untyped, so that text may mean a number or a missing value.
        is_category: whether the table itself declares the column categorical.
    """

    name: str
    key: str | int
    values: AnyArray
    missing: Mask
    text: Mask
    is_loose: bool
    is_category: bool

    @property
    def is_bool(self) -> bool:
        """Whether every value that is present is a bool."""
        if self.values.dtype != object:
            return self.values.dtype == bool
        return set(map(type, self.present)) <= {bool, np.bool_}

    @property
    def is_int(self) -> bool:
        """Whether every value that is present is an int."""
        if self.values.dtype != object:
            return self.values.dtype.kind in "iu"
        return all(issubclass(kind, int | np.integer) for kind in set(map(type, self.present)))

    @property
    def present(self) -> list[Label]:
        """The values that are present, as Python objects."""
        found: list[Label] = self.values[~self.missing].tolist()
        return found

    def error(self, where: str, bad: Mask, why: str) -> ValueError:
        """Return a ValueError that names the first of the `bad` rows and its value."""
        row = int(bad.argmax())
        value = self.values[row : row + 1].tolist()[0]
        return ValueError(f"{where}: {self.name}, row {row}: {value!r:.80} {why}")


def read_cells(values: object, name: str, key: str | int, where: str, *, loose: bool) -> Cells:
    """Return the Cells of a column: of anything that `np.asarray` turns into an array (N,).

    Raises ValueError for another shape, and for values that are not numbers, text or bools: complex
    numbers, dates, bytes, lists.
    """
    dtype_name = str(getattr(values, "dtype", "")).lower()
    is_category = dtype_name.startswith(("category", "categorical", "enum"))  # of pandas, polars
    if isinstance(values, np.ma.MaskedArray):
        masked = np.ma.getmaskarray(values)
        values = np.asarray(values.data).astype(object)
        values[masked] = None
    array = _object_array(values) if isinstance(values, list | tuple) else np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{where}: {name} must have shape (N,), but has {array.shape}")
    if array.dtype.kind in "fiub":
        none = np.zeros(len(array), bool)
        missing = np.isnan(array) if array.dtype.kind == "f" else none
        return Cells(name, key, array, missing, none, loose, is_category)
    if array.dtype.kind not in "OUT":
        raise ValueError(
            f"{where}: {name} holds {array.dtype}; give numbers, text, or bools"
            + (", such as days since a date" if array.dtype.kind in "Mm" else "")
        )
    return _mark_objects(Cells(
        name, key, array.astype(object), np.zeros(len(array), bool), np.zeros(len(array), bool),
        loose, is_category,
    ), where)  # fmt: skip


def _object_array(values: list[object] | tuple[object, ...]) -> AnyArray:
    array = np.empty(len(values), object)
    try:
        array[:] = values
    except ValueError:  # the values are lists of one length
        return np.asarray(values)
    return array


def _mark_objects(cells: Cells, where: str) -> Cells:
    """Mark the missing values and texts of an object array, in place, and return the cells."""
    array, missing, text = cells.values, cells.missing, cells.text
    types: list[type] = list(map(type, array.tolist()))
    known = set(types)
    missing_types = {kind for kind in known if kind.__name__ in MISSING_TYPES}
    text_types = {kind for kind in known if issubclass(kind, str)}
    real_types = {kind for kind in known if issubclass(kind, Real | Decimal | np.bool_)}
    missing[:] = _is_in(types, missing_types)
    text[:] = _is_in(types, text_types)
    array[missing] = None
    odd = _is_in(types, known - missing_types - text_types - real_types)
    if odd.any():
        name = types[int(odd.argmax())].__name__
        raise cells.error(where, odd, f"is a {name}, but must be a number, text or a bool")
    if real_types:
        missing |= (array != array).astype(bool)  # NaN differs from itself
    if text_types:
        texts = array[text].tolist()
        words = GAPS if cells.is_loose else {""}
        gaps = {word for word in set(texts) if word.strip() in words}
        if gaps:
            missing[text] = _is_in(texts, gaps)
            text &= ~missing
    array[missing] = None
    return cells


def _is_in(values: list[Any], group: set[Any]) -> Mask:
    if not group:
        return np.zeros(len(values), bool)
    return np.fromiter(map(group.__contains__, values), bool, len(values))


def parse(texts: list[str]) -> Floats:
    """Return the numbers that texts represent, NaN for texts that are not numbers."""
    try:
        return np.fromiter(map(float, texts), np.float64, len(texts))
    except ValueError:
        known = {text: _parse_one(text) for text in set(texts)}
        return np.fromiter(map(known.__getitem__, texts), np.float64, len(texts))


def _parse_one(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def to_numbers(column: Cells, where: str, reads_text: bool) -> Floats:
    """Return a column as float64 (N,), NaN where a value is missing.

    reads_text: whether text that represents a number is converted. Raises ValueError, naming the
    row and its value, for other text and for infinities.
    """
    if column.values.dtype != object:
        found = column.values.astype(np.float64)
    else:
        found = np.full(len(column.values), np.nan)
        plain = ~(column.missing | column.text)
        try:
            found[plain] = column.values[plain].astype(np.float64)
        except OverflowError:
            huge = plain & (abs(np.where(plain, column.values, 0)) >= 2**1024)
            raise column.error(where, huge, "is too large") from None
        if column.text.any():
            if not reads_text:
                raise column.error(where, column.text, "is text where numbers are expected")
            found[column.text] = parse(column.values[column.text].tolist())
            bad = column.text & np.isnan(found)
            if bad.any():
                raise column.error(where, bad, "is not a number")
    infinite = np.isinf(found)
    if infinite.any():
        raise column.error(where, infinite, "is not finite")
    return found


def infer_kind(column: Cells, where: str) -> str:
    """Return "number" or "category", inferred from the values of a column.

    Raises ValueError when every value is missing, or when numbers and text are mixed; the message
    then names the first cell of the rarer type.
    """
    n_texts = int(column.text.sum())
    n_others = len(column.values) - int(column.missing.sum()) - n_texts
    if n_texts + n_others == 0:
        raise ValueError(f"{where}: {column.name} has no value in any row; leave it out")
    if column.is_category or (n_texts == 0 and column.is_bool):
        return "category"
    if n_texts == 0:
        return "number"
    reads = np.zeros(len(column.values), bool)
    if column.is_loose:
        reads[column.text] = ~np.isnan(parse(column.values[column.text].tolist()))
    n_number_like = n_others + int(reads.sum())
    if n_number_like == 0:
        return "category"
    if n_number_like == n_texts + n_others:
        return "number"
    advice = f'; kinds={{{column.key!r}: "category"}} takes every cell as text'
    odd = column.text & ~reads
    if 2 * n_number_like >= n_texts + n_others:
        raise column.error(
            where, odd, "is text where other rows have numbers" + advice * column.is_loose
        )
    if n_others == 0:
        return "category"
    raise column.error(
        where, ~(column.text | column.missing), "is not text, unlike the values of other rows"
    )


def look_up(values: list[Label], codes: Mapping[Label, int], otherwise: int) -> NDArray[np.int64]:
    """Return the code of every value, `otherwise` for values without a code."""
    return np.fromiter(map(codes.get, values, repeat(otherwise)), np.int64, len(values))


def sorted_labels(values: Iterable[Label]) -> list[Label]:
    """Return the distinct labels in ascending order; they must all be text or all be numbers."""
    distinct: Any = set(values)
    return sorted(distinct)
