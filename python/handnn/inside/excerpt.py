"""What is shown of an array: all of a small one, a corner of a large one and what it is like."""

from __future__ import annotations

from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LONGEST = 8
"""How many rows or columns are shown whole."""

CORNER = 5
"""How many are shown of more than that."""

GAP = "…"


class Excerpt(NamedTuple):
    """An array as a table of words. shades: each number over the largest of them, 0 where none."""

    shape: tuple[int, ...]
    rows: list[str]
    """Their numbers, with a gap behind them where more follow."""
    columns: list[str]
    cells: list[list[str]]
    shades: list[list[float]]
    summary: str
    """What is to be said of an array that is not shown whole, or of one with NaN or infinities."""

    @property
    def size(self) -> str:
        """The shape in words: (4, 2) is "4 × 2", (3,) is "3"."""
        return " × ".join(map(str, self.shape)) if self.shape else "one number"


def excerpt(array: NDArray[Any]) -> Excerpt:
    """Return what to show of an array; one of other than two dimensions is made a table of rows."""
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
    told = "" if is_whole and len(finite) == array.size and array.size else summary(array)
    return Excerpt(array.shape, rows, columns, cells, shades, told)


def number(value: float) -> str:
    """Return a number in four digits; a bool as 0 or 1."""
    return f"{value:.4g}"


def summary(array: NDArray[Any]) -> str:
    """Return the range of an array, its mean, and how many of its entries are NaN or infinite."""
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


def text(name: str, array: NDArray[Any], indent: str = "  ") -> list[str]:
    """Return the lines that show an array: its name and shape, then its numbers in columns."""
    shown = excerpt(array)
    width = max(map(len, chain.from_iterable(shown.cells)), default=0)
    lines = [f"{indent}{name} {array.shape}" + (f": {shown.summary}" if shown.summary else "")]
    for row in shown.cells:
        if row:
            lines.append(indent + "  " + "  ".join(f"{cell:>{width}}" for cell in row))
    return lines


def _ends(length: int) -> list[str]:
    if length <= LONGEST:
        return list(map(str, range(length)))
    return [*map(str, range(CORNER)), GAP]


def _shade(value: float, largest: float) -> float:
    return float(value) / largest if np.isfinite(value) else 0.0
