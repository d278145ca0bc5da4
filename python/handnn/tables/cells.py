"""Cells: one column of a table as it came, with its gaps and its texts marked."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import repeat
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Numbers = NDArray[np.float64]

GAPS = {"", "NA", "N/A", "#N/A", "NaN", "nan", "null", "NULL"}
"""Texts that stand for a missing value in tables without types: lists, text arrays, CSV files."""

MISSING_TYPES = {"NoneType", "NAType", "NaTType"}
"""The types of None, pandas.NA and pandas.NaT, told by their names: pandas need not be there."""

BOOLS = {"true": True, "false": False}


@dataclass(frozen=True)
class Cells:
    """One column of N rows.

    Attributes:
        name: what messages call it: "column 'age'" or "column 3".
        key: its name or place, as `kinds` has it.
        values: (N,) numbers, bools or objects; None or NaN where nothing is there.
        missing: (N,) where nothing is there.
        text: (N,) where text is there.
        is_loose: whether the table had no types, so that text may stand for a number or a gap.
        is_category: whether the table itself calls the column one of categories.
    """

    name: str
    key: str | int
    values: NDArray[Any]
    missing: Mask
    text: Mask
    is_loose: bool
    is_category: bool

    @property
    def is_bool(self) -> bool:
        """Whether all that is there is True or False."""
        if self.values.dtype != object:
            return self.values.dtype == bool
        return set(map(type, self.present)) <= {bool, np.bool_}

    @property
    def present(self) -> list[Any]:
        """What is there, as Python objects."""
        found: list[Any] = self.values[~self.missing].tolist()
        return found

    def error(self, where: str, bad: Mask, why: str) -> ValueError:
        """Return what to raise for the first of the `bad` rows."""
        row = int(bad.argmax())
        value = self.values[row : row + 1].tolist()[0]
        return ValueError(f"{where}: {self.name}, row {row}: {value!r:.80} {why}")


def cells(values: Any, name: str, key: str | int, where: str, *, loose: bool) -> Cells:
    """Return the Cells of a column: anything that `np.asarray` makes an array (N,) of.

    Raises ValueError when it has another shape or cells that are neither numbers, text, bools nor
    gaps: complex numbers, dates, bytes, lists.
    """
    kind = str(getattr(values, "dtype", "")).lower()
    category = kind.startswith(("category", "categorical", "enum"))  # of pandas, or of polars
    if isinstance(values, np.ma.MaskedArray):
        masked = np.ma.getmaskarray(values)
        values = np.asarray(values.data).astype(object)
        values[masked] = None
    array = _objects(values) if isinstance(values, list | tuple) else np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{where}: {name} must have shape (N,), but has {array.shape}")
    if array.dtype.kind in "fiub":
        none = np.zeros(len(array), bool)
        missing = np.isnan(array) if array.dtype.kind == "f" else none
        return Cells(name, key, array, missing, none, loose, category)
    if array.dtype.kind not in "OUT":
        raise ValueError(
            f"{where}: {name} holds {array.dtype}; give numbers, text, or bools"
            + (", such as days since a date" if array.dtype.kind in "Mm" else "")
        )
    return _of_objects(array.astype(object), name, key, where, loose, category)


def _objects(values: list[Any] | tuple[Any, ...]) -> NDArray[Any]:
    array = np.empty(len(values), object)
    try:
        array[:] = values
    except ValueError:  # lists in it, of one length
        return np.asarray(values)
    return array


def _of_objects(
    array: NDArray[Any], name: str, key: str | int, where: str, loose: bool, category: bool
) -> Cells:
    """Mark the gaps and texts of an array of objects, which is the caller's own."""
    types = list(map(type, array.tolist()))
    known = set(types)
    nothing = {kind for kind in known if kind.__name__ in MISSING_TYPES}
    texts = {kind for kind in known if issubclass(kind, str)}
    reals = {kind for kind in known if issubclass(kind, Real | Decimal | np.bool_)}
    missing = _is_in(types, nothing)
    text = _is_in(types, texts)
    array[missing] = None
    odd = _is_in(types, known - nothing - texts - reals)
    found = Cells(name, key, array, missing, text, loose, category)
    if odd.any():
        kind = types[int(odd.argmax())].__name__
        raise found.error(where, odd, f"is a {kind}, which is neither a number, text, nor a bool")
    if reals:
        missing |= (array != array).astype(bool)  # NaN is what differs from itself
    if texts:
        there = array[text].tolist()
        words = GAPS if loose else {""}
        gaps = {word for word in set(there) if word.strip() in words}
        if gaps:
            missing[text] = _is_in(there, gaps)
            text &= ~missing
    array[missing] = None
    return found


def _is_in(values: list[Any], group: set[Any]) -> Mask:
    if not group:
        return np.zeros(len(values), bool)
    return np.fromiter(map(group.__contains__, values), bool, len(values))


def parse(texts: list[str]) -> Numbers:
    """Return the numbers that texts stand for, NaN for those that stand for none."""
    try:
        return np.fromiter(map(float, texts), np.float64, len(texts))
    except ValueError:
        known = {text: _number(text) for text in set(texts)}
        return np.fromiter(map(known.__getitem__, texts), np.float64, len(texts))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def numbers(column: Cells, where: str, reads_text: bool) -> Numbers:
    """Return a column as float64 (N,), NaN where nothing is there.

    reads_text: whether text that reads as a number is one. Raises ValueError, naming the row and
    what stands there, for other text and for infinities.
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


def kind(column: Cells, where: str) -> str:
    """Return what a column holds, "number" or "category".

    Raises ValueError when it holds nothing, or numbers and text side by side: then for the first
    cell of the rarer kind.
    """
    texts = int(column.text.sum())
    others = len(column.values) - int(column.missing.sum()) - texts
    if texts + others == 0:
        raise ValueError(f"{where}: {column.name} has no value in any row; leave it out")
    if column.is_category or (texts == 0 and column.is_bool):
        return "category"
    if texts == 0:
        return "number"
    reads = np.zeros(len(column.values), bool)
    if column.is_loose:
        reads[column.text] = ~np.isnan(parse(column.values[column.text].tolist()))
    number_like = others + int(reads.sum())
    if number_like == 0:
        return "category"
    if number_like == texts + others:
        return "number"
    advice = f'; kinds={{{column.key!r}: "category"}} takes every cell as text'
    odd = column.text & ~reads
    if 2 * number_like >= texts + others:
        raise column.error(
            where, odd, "is text where other rows have numbers" + advice * column.is_loose
        )
    if others == 0:
        return "category"
    raise column.error(where, ~(column.text | column.missing), "is no text, as other rows have")


def look_up(values: list[Any], codes: dict[Any, int], otherwise: int) -> NDArray[np.int64]:
    """Return the code of every value, `otherwise` for those that have none."""
    return np.fromiter(map(codes.get, values, repeat(otherwise)), np.int64, len(values))
