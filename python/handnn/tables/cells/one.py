"""The interpretation of one cell of a usual type, without arrays.

A table of one row is read cell by cell, since arrays of one element would take most of the time.
The meaning is that of `Cells`, from the same functions: `tests/cells` compares both with
docs/cells.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from handnn.tables.cells.column import parse_one
from handnn.tables.cells.text import GapWords, category_text, strip, text_of

MAX_EXACT = 2**53
"""Integers up to this size, positive or negative, are exact in float64."""

_NUMPY_REALS = {np.dtype(code).type for code in "efdbhilqBHILQ?"}
_FLOATS = {float, np.float16, np.float32, np.float64}
_REALS = {float, int, bool} | _NUMPY_REALS

USUAL = frozenset({str, type(None), *_REALS})
"""The types of cells that are read without arrays."""


class UnusualCell(ValueError):
    """A cell that must be read by `read_cells`, or that is an error."""


def one_number(cell: object, gaps: GapWords) -> float:
    """Return the number that a cell means, NaN if it is missing.

    Raises UnusualCell if it is not a number, infinite, a long integer, or of an unusual type.
    """
    kind = type(cell)
    number = math.nan
    if cell is None:
        return number
    if kind is str:
        text = strip(cell)  # type: ignore[arg-type]
        if text in gaps:
            return number
        number = parse_one(text)
        if not math.isfinite(number):
            raise UnusualCell
        return number
    if kind in _REALS and (kind in _FLOATS or -MAX_EXACT <= cell <= MAX_EXACT):  # type: ignore[operator]
        number = float(cell)  # type: ignore[arg-type]
    else:
        raise UnusualCell
    if math.isinf(number):
        raise UnusualCell
    return math.nan if number in gaps.numbers else number


def one_code(cell: object, codes: Mapping[str, int], n_labels: int, gaps: GapWords) -> int:
    """Return the code of a cell: see `CategoryColumn.codes`.

    codes: of the category texts of the labels. Raises UnusualCell if the cell is infinite, a long
    integer where numbers may be gaps, or of an unusual type.
    """
    kind = type(cell)
    if cell is None:
        return n_labels
    if kind is str:
        text: str = cell  # type: ignore[assignment]
        code = codes.get(text)  # most cells are spelled like the label
        if code is None or not text:
            text = strip(text)
            code = codes.get(text_of(text)) if text else None
            if code is None:
                return n_labels if text in gaps else n_labels + 1
        return code
    if kind not in _REALS:
        raise UnusualCell
    number: float = cell  # type: ignore[assignment]
    if kind in _FLOATS:
        if math.isnan(number):
            return n_labels
        if math.isinf(number):
            raise UnusualCell
    elif gaps.numbers and not -MAX_EXACT <= number <= MAX_EXACT:
        raise UnusualCell
    code = codes.get(category_text(cell))
    if code is None:
        return n_labels if number in gaps.numbers else n_labels + 1
    return code
