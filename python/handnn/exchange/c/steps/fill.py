"""Fill: missing values replaced, and indicators of where they were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import SupportsIndex

import numpy as np
from numpy.typing import ArrayLike

from handnn.arrays import Array, as_float, whole_number
from handnn.exchange.c.steps.row_step import of_columns, rounded


@dataclass(frozen=True, eq=False)
class Fill:
    """Replace NaN: ``out = [median where x is NaN, else x; indicators]``.

    x (N, I); median (I,) or one number, NaN for a column that keeps its NaN. For each of the J
    columns in `indicator` there is one more column, 1 where that column is NaN, else 0, so out is
    (N, I + J).

    Raises:
        TypeError: If a median is not a number, or an indicator is not an integer.
        ValueError: If an indicator is negative.

    Examples:
        >>> from handnn.exchange.c import Fill
        >>> Fill([5, 7], indicator=[0]).apply(np.array([[np.nan, 2.0]]))
        array([[5., 2., 1.]])
    """

    median: ArrayLike
    indicator: Sequence[SupportsIndex] = ()

    def __post_init__(self) -> None:
        """Check the settings that do not depend on the number of columns."""
        as_float(self.median, np.float64, "Fill: median")
        given: object = self.indicator
        if not isinstance(given, Sequence | np.ndarray):
            kind = type(given).__name__
            raise TypeError(f"Fill: indicator must be a list of columns, but is a {kind}")
        for column in self.indicator:
            whole_number(column, "Fill: an indicator", 0)

    def columns(self, count: int) -> int:
        """Return I + J."""
        self.medians(count, np.dtype(np.float64))
        return count + len(self.indicators(count))

    def medians(self, count: int, dtype: np.dtype[np.floating]) -> Array:
        """Return the median of every column, (I,), in dtype; ValueError if one is too large."""
        median = of_columns(self.median, count, "Fill: median")
        found = rounded(median, dtype)
        if (np.isinf(found) & np.isfinite(median)).any():
            raise ValueError(f"Fill: median is too large for {dtype}: {median!s:.80}")
        return found

    def indicators(self, count: int) -> list[int]:
        """Return the columns that have an indicator, checked."""
        return [whole_number(c, "Fill: an indicator", 0, count - 1) for c in self.indicator]

    def apply(self, x: Array) -> Array:
        """Return x without NaN, then the indicators."""
        missing = np.isnan(x)
        median = self.medians(x.shape[1], x.dtype)
        indicators = missing[:, self.indicators(x.shape[1])].astype(x.dtype)
        return np.concatenate([np.where(missing, median, x), indicators], axis=1)
