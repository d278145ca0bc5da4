"""One column of a table, with masks of its missing values and its strings."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from handnn.tables.cells.dates import SECONDS, days_of, parse_date
from handnn.tables.cells.text import (
    BOOL_NUMBERS,
    BOOLS,
    DEFAULT_GAPS,
    MISSING_TYPES,
    GapWords,
    category_text,
    is_number,
    strip,
    text_of,
)
from handnn.tables.steps import Label

Mask: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.float64]
AnyArray: TypeAlias = NDArray[Any]
"""An array of numbers, bools, dates, text or objects."""

_PLAIN = frozenset("0123456789+-.eE")
"""The characters of numbers."""


@dataclass(frozen=True)
class Cells:
    """One column of N rows.

    Attributes:
        name: the column in messages: "column 'age'" or "column 3".
        key: the name or position of the column, as in `kinds`.
        values: (N,) numbers, bools, datetime64 or objects. Text has no spaces around it. Where a
            value is missing it is None or NaN, or the gap word.
        missing: (N,) True where a value is missing.
        text: (N,) True where the value is text that is present.
        is_category: whether the table itself declares the column categorical.
    """

    name: str
    key: str | int
    values: AnyArray
    missing: Mask
    text: Mask
    is_category: bool

    @property
    def present(self) -> list[Label]:
        """The values that are present, as Python objects."""
        found: list[Label] = self.values[~self.missing].tolist()
        return found

    @cached_property
    def floats(self) -> Floats:
        """The numbers (N,), with 1 and 0 for booleans; NaN for missing values and other strings."""
        values = self.values
        if values.dtype.kind == "M":
            return np.full(len(values), np.nan)
        if values.dtype != object:
            return values.astype(np.float64)
        found = np.full(len(values), np.nan)
        plain = ~(self.missing | self.text | self.dates)
        try:
            found[plain] = values[plain].astype(np.float64)
        except OverflowError:
            found[plain] = [_float(value) for value in values[plain].tolist()]
        if self.text.any():
            found[self.text] = parse(values[self.text].tolist())
        return found

    @cached_property
    def dates(self) -> Mask:
        """(N,) True where the value is typed as a date or a time."""
        if self.values.dtype != object:
            return np.full(len(self.values), self.values.dtype.kind == "M") & ~self.missing
        kinds = list(map(type, self.values.tolist()))
        group = {kind for kind in set(kinds) if issubclass(kind, dt.date | np.datetime64)}
        return _is_in(kinds, group) & ~self.missing

    @cached_property
    def bools(self) -> Mask:
        """(N,) True where the value is a boolean, typed or as text."""
        if self.values.dtype != object:
            return np.full(len(self.values), self.values.dtype == bool) & ~self.missing
        cells = self.values.tolist()
        words = set(self.values[self.text].tolist()) & BOOLS.keys()
        types = set(map(type, cells)) & {bool, np.bool_}
        if not (words or types):
            return np.zeros(len(cells), bool)
        found = [type(cell) in types or (_is_str(cell) and cell in words) for cell in cells]
        return np.array(found, bool) & ~self.missing

    @cached_property
    def days(self) -> Floats:
        """The days since 1970-01-01 (N,) of dates, in UTC; NaN for all other cells."""
        values = self.values
        if values.dtype.kind == "M":
            microseconds = values.astype("M8[us]").astype(np.int64)
            return np.where(self.missing, np.nan, microseconds / (SECONDS * 1e6))
        found = np.full(len(values), np.nan)
        if values.dtype != object:
            return found
        found[self.dates] = [days_of(value) for value in values[self.dates].tolist()]
        texts = values[self.text].tolist()
        known = {text: days for text in set(texts) if (days := parse_date(text)) is not None}
        if known:
            found[self.text] = [known.get(text, np.nan) for text in texts]
        return found

    @cached_property
    def texts(self) -> AnyArray:
        """The category text of every cell (N,), None where it is missing; see `category_text`.

        Gap words, and numbers equal to one, keep their text, since the training table may have them
        as categories.
        """
        values = self.values
        if values.dtype == object:
            cells = values.tolist()
            if set(map(type, cells)) <= {str, type(None)}:
                read = {cell: cell if cell is None else text_of(cell) for cell in set(cells)}
                return _object_array(list(map(read.__getitem__, cells)))
            pairs = [(type(cell), cell) for cell in cells]  # True == 1, but they differ here
            known = {
                pair: None if pair[1] is None else category_text(pair[1]) for pair in set(pairs)
            }
            return _object_array(list(map(known.__getitem__, pairs)))
        present = ~(np.isnat(values) if values.dtype.kind == "M" else values != values)
        distinct, place = np.unique(values[present], return_inverse=True)
        found = np.full(len(values), None, object)
        found[present] = np.array(list(map(category_text, distinct)), object)[place.ravel()]
        return found

    def check_finite(self, where: str) -> None:
        """Raise ValueError for an infinity."""
        if self.values.dtype == object:
            kinds = list(map(type, self.values.tolist()))
            floats = {kind for kind in set(kinds) if issubclass(kind, float | np.floating)}
            if not floats:
                return
            infinite = np.isinf(self.floats) & _is_in(kinds, floats)
        elif self.values.dtype.kind == "f":
            infinite = np.isinf(self.values)
        else:
            return
        if infinite.any():
            raise self.error(where, infinite, "is not finite")

    def error(self, where: str, bad: Mask, why: str) -> ValueError:
        """Return a ValueError that names the first of the `bad` rows and its value."""
        row = int(bad.argmax())
        value = self.values[row : row + 1].tolist()[0]
        shown = str(value) if self.dates[row] else repr(value)
        return ValueError(f"{where}: {self.name}, row {row}: {shown:.80} {why}")

    def written(self) -> dict[str, Label]:
        """Return the spellings of each category text in the column, the most frequent one first.

        If no value is text, numbers and bools are kept. Among equally frequent strings, the first
        in ascending order is returned.
        """
        if not self.text.any() and not self.dates.any():
            pairs = zip(self.texts[~self.missing].tolist(), self.present, strict=True)
            return {text: _builtin(value) for text, value in pairs}
        pairs_of = zip(self.texts[~self.missing].tolist(), self.present, strict=True)
        if self.text.all():
            given = Counter(self.present)
            counts = Counter({(text_of(str(value)), str(value)): n for value, n in given.items()})
        else:
            counts = Counter((text, v if isinstance(v, str) else text) for text, v in pairs_of)
        best: dict[str, Label] = {}
        for text, value in sorted(counts, key=lambda pair: (-counts[pair], pair[1])):
            best.setdefault(text, value)
        return best


def read_cells(
    values: object, name: str, key: str | int, where: str, gaps: GapWords = DEFAULT_GAPS
) -> Cells:
    """Return the Cells of a column: anything that `np.asarray` converts to an array (N,).

    gaps: the strings, and the numbers equal to them, that mean a missing value. Raises ValueError
    for another shape, and for values that are not numbers, text, bools or dates: complex numbers,
    durations, bytes, lists.
    """
    dtype_name = str(getattr(values, "dtype", "")).lower()
    is_category = dtype_name.startswith(("category", "categorical", "enum"))  # in pandas and polars
    array = _as_array(values, dtype_name)
    if array.ndim != 1:
        raise ValueError(f"{where}: {name} must have shape (N,), but has {array.shape}")
    missing = np.zeros(len(array), bool)
    if array.dtype.kind in "fiub":
        if array.dtype.kind == "f":
            missing = np.isnan(array)
        for number in gaps.numbers:
            missing |= array == number
        return Cells(name, key, array, missing, np.zeros(len(array), bool), is_category)
    if array.dtype.kind == "M":
        return Cells(name, key, array, np.isnat(array), missing, is_category)
    if array.dtype.kind not in "OUT":
        raise ValueError(
            f"{where}: {name} holds {array.dtype}; give numbers, text, bools or dates"
            + (", such as a number of days" if array.dtype.kind == "m" else "")
        )
    marked = Cells(
        name, key, array.astype(object), missing, np.zeros(len(array), bool), is_category
    )
    return _mark_objects(marked, where, gaps)


def _as_array(values: Any, dtype_name: str) -> AnyArray:
    """Return a column as an array without losing digits of its integers."""
    if isinstance(values, np.ma.MaskedArray):
        masked = np.ma.getmaskarray(values)
        filled: AnyArray = np.asarray(values.data).astype(object)
        filled[masked] = None
        return filled
    if isinstance(values, list | tuple):
        return _object_array(values)
    if dtype_name == "int128":  # NumPy has no 128-bit integers
        return _object_array(list(values))
    array = np.asarray(values)
    is_integer = dtype_name.startswith(("int", "uint", "category"))
    if is_integer and array.dtype.kind == "f":  # NumPy converted nullable integers
        return _object_array(list(values))
    return array


def _object_array(values: list[object] | tuple[object, ...]) -> AnyArray:
    array = np.empty(len(values), object)
    try:
        array[:] = values
    except ValueError:  # the values are lists of equal length
        return np.asarray(values)
    return array


def _mark_objects(cells: Cells, where: str, gaps: GapWords) -> Cells:
    """Mark the missing values and strings of an object array, in place, and return the cells."""
    array, missing, text = cells.values, cells.missing, cells.text
    types: list[type] = list(map(type, array.tolist()))
    known = set(types)
    missing_types = {kind for kind in known if kind.__name__ in MISSING_TYPES}
    text_types = {kind for kind in known if issubclass(kind, str)}
    date_types = {kind for kind in known if issubclass(kind, dt.date | np.datetime64)}
    date_types -= missing_types
    real_types = {kind for kind in known if issubclass(kind, Real | Decimal | np.bool_)}
    missing[:] = _is_in(types, missing_types)
    text[:] = _is_in(types, text_types)
    array[missing] = None
    odd = _is_in(types, known - missing_types - text_types - real_types - date_types)
    if odd.any():
        name = types[int(odd.argmax())].__name__
        raise cells.error(where, odd, f"is a {name}, but must be a number, text, a bool or a date")
    if real_types:
        nan = (array != array).astype(bool)  # NaN differs from itself
        missing |= nan
        array[nan] = None
        for number in gaps.numbers:
            missing |= _equals(array, number) & ~text
    if text_types:
        texts = array[text].tolist()
        stripped = {word: strip(word) for word in set(texts)}
        array[text] = [stripped[word] for word in texts]
        words = {word for word, short in stripped.items() if short in gaps}
        if words:
            missing[text] |= _is_in(texts, words)
            blank = missing & text & (array == "")
            array[blank] = None
            text &= ~missing
    return cells


def _equals(array: AnyArray, number: float) -> Mask:
    return np.fromiter((value == number for value in array.tolist()), bool, len(array))


def _is_in(values: list[Any], group: set[Any]) -> Mask:
    if not group:
        return np.zeros(len(values), bool)
    return np.fromiter(map(group.__contains__, values), bool, len(values))


def _is_str(value: object) -> bool:
    return isinstance(value, str)


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def parse(texts: list[str]) -> Floats:
    """Return the numbers that strings represent, 1 and 0 for booleans, NaN for other strings.

    The strings have no spaces around them.
    """
    if _PLAIN.issuperset("".join(texts)):
        try:
            return np.fromiter(map(float, texts), np.float64, len(texts))
        except ValueError:
            pass
    known = {text: parse_one(text) for text in set(texts)}
    return np.fromiter(map(known.__getitem__, texts), np.float64, len(texts))


def parse_one(text: str) -> float:
    """Return the number that a string without spaces around it represents: see `parse`."""
    if _PLAIN.issuperset(text):
        try:
            return float(text)
        except ValueError:
            return np.nan
    if text in BOOLS:
        return BOOL_NUMBERS[BOOLS[text]]
    return float(text) if is_number(text) else np.nan


def _builtin(label: object) -> Label:
    """Return a label as Python's own str, bool, int or float, which a file can hold."""
    if isinstance(label, bool | np.bool_):
        return bool(label)
    if isinstance(label, int | np.integer):
        return int(label)
    if isinstance(label, str):
        return str(label)
    if isinstance(label, Decimal):
        return int(label) if label == label.to_integral_value() else float(label)
    value = float(label)  # type: ignore[arg-type]
    return int(value) if value.is_integer() else value
