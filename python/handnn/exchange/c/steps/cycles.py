"""Cycles: the sine and cosine of a column that repeats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handnn.arrays import Array, whole_number
from handnn.tables.date import sine


@dataclass(frozen=True, eq=False)
class Cycles:
    """Add two columns for each period: ``sin(2π·x / period)`` and ``cos(2π·x / period)``.

    x (N, I) to out (N, I + 2·P), of the column number `column`.

    Raises:
        ValueError: If a period is not above 0.

    Examples:
        >>> from handnn.exchange.c.steps import Cycles
        >>> Cycles([7.0]).apply(np.array([[0.0], [3.5]])).round(3)
        array([[ 0. ,  0. ,  1. ],
               [ 3.5,  0. , -1. ]])
    """

    periods: tuple[float, ...]
    column: int = 0

    def __post_init__(self) -> None:
        """Check the periods."""
        if not all(period > 0 for period in self.periods):
            raise ValueError(f"Cycles: periods must be above 0, but are {self.periods!s:.80}")
        whole_number(self.column, "Cycles: column", 0)

    def columns(self, count: int) -> int:
        """Return I + 2·P."""
        whole_number(self.column, "Cycles: column", 0, count - 1)
        return count + 2 * len(self.periods)

    def apply(self, x: Array) -> Array:
        """Return x and the sines and cosines."""
        column = x[:, self.column]
        more = [sine(column, period, shift) for period in self.periods for shift in (0, 0.25)]
        return np.column_stack([x, *more]).astype(x.dtype, copy=False)
