"""Excerpts of arrays: a small array in full; a corner and a summary of a large array."""

from __future__ import annotations

from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_WHOLE = 8
"""The largest number of rows or columns that is shown in full."""

CORNER = 5
"""The number of rows or columns shown of a larger array."""

GAP = "…"

AnyArray = NDArray[np.generic]
"""An array of numbers, or a mask."""


class Excerpt(NamedTuple):
    """An array as a table of strings.

    rows, columns: the labels, ending with a gap if more follow.
    shades: each number divided by the largest absolute value; 0 for the other cells.
    summary: the range, the mean and the count of NaN; "" if all numbers are shown and finite.
    """

    shape: tuple[int, ...]
    rows: list[str]
    columns: list[str]
    cells: list[list[str]]
    shades: list[list[float]]
    summary: str

    @property
    def size(self) -> str:
        """The shape in words: (4, 2) is "4 × 2", (3,) is "3"."""
        return " × ".join(map(str, self.shape)) if self.shape else "one number"


def excerpt(array: AnyArray) -> Excerpt:
    """Return the excerpt of an array; the leading dimensions are flattened into rows."""
    table = (
        array.reshape(-1, array.shape[-1]) if array.ndim and array.size else array.reshape(1, -1)
    )
    rows, columns = _ends(len(table)), _ends(table.shape[1])
    corner = table[:CORNER] if GAP in rows else table
    corner = corner[:, :CORNER] if GAP in columns else corner
    finite = np.abs(table[np.isfinite(table)].astype(np.float64))
    largest = float(finite.max(initial=0.0)) or 1.0
    cells = [[*map(number, row.tolist()), *(GAP for _ in [0] if GAP in columns)] for row in corner]
    shades = [
        [*(_shade(value, largest) for value in row.tolist()), *(0.0 for _ in [0] if GAP in columns)]
        for row in corner
    ]
    if GAP in rows:
        cells.append([GAP] * len(columns))
        shades.append([0.0] * len(columns))
    is_whole = GAP not in rows and GAP not in columns
    is_plain = is_whole and array.size > 0 and len(finite) == array.size
    described = "" if is_plain else summary(array)
    return Excerpt(array.shape, rows, columns, cells, shades, described)


def number(value: float) -> str:
    """Format a number with four digits, and a bool as 0 or 1."""
    return f"{value:.4g}"


def summary(array: AnyArray) -> str:
    """Describe an array: its range, its mean, and the number of entries that are not finite."""
    values = np.asarray(array, np.float64)
    if not values.size:
        return "no numbers"
    nans, infinite = int(np.isnan(values).sum()), int(np.isinf(values).sum())
    finite = values[np.isfinite(values)]
    parts = [f"{values.size:,} numbers"]
    if finite.size:
        with np.errstate(over="ignore"):
            mean = finite.mean()
        parts += [f"min {number(finite.min())}", f"mean {number(mean)}"]
        parts += [f"max {number(finite.max())}"]
    parts.append(f"{nans:,} NaN")
    if infinite:
        parts.append(f"{infinite:,} infinite")
    return ", ".join(parts)


def text(name: str, array: AnyArray, indent: str = "  ") -> list[str]:
    """Return lines that show an array: its name and shape, then its numbers in columns."""
    shown = excerpt(array)
    width = max(map(len, chain.from_iterable(shown.cells)), default=0)
    lines = [f"{indent}{name} {array.shape}" + (f": {shown.summary}" if shown.summary else "")]
    for row in shown.cells:
        if row:
            lines.append(indent + "  " + "  ".join(f"{cell:>{width}}" for cell in row))
    return lines


def _ends(length: int) -> list[str]:
    if length <= MAX_WHOLE:
        return list(map(str, range(length)))
    return [*map(str, range(CORNER)), GAP]


def _shade(value: float, largest: float) -> float:
    return float(value) / largest if np.isfinite(value) else 0.0
