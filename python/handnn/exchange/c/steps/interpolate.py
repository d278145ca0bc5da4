"""Interpolate: a piecewise linear function of one column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from handnn.arrays import Array, as_float, whole_number
from handnn.exchange.c.steps.row_step import rounded


@dataclass(frozen=True, eq=False)
class Interpolate:
    """Interpolate a column linearly: ``out = np.interp(x, knots, levels)``.

    knots (K,) ascending, levels (K,); x, out (N, I), which differ only in `column`.
    Beyond the first and last knot the output is constant. Knots, levels and slopes are rounded to
    the dtype of the network.

    Raises:
        ValueError: If knots and levels differ in shape or are not finite, or knots do not ascend.

    Examples:
        >>> from handnn.exchange.c import Interpolate
        >>> Interpolate([0, 10], [0, 1]).apply(np.array([[2.5], [99.0]]))
        array([[0.25],
               [1.  ]])
    """

    knots: ArrayLike
    levels: ArrayLike
    column: int = 0

    def __post_init__(self) -> None:
        """Check the points."""
        knots, levels = (
            as_float(values, np.float64, f"Interpolate: {name}")
            for name, values in (("knots", self.knots), ("levels", self.levels))
        )
        if knots.ndim != 1 or knots.shape != levels.shape or not len(knots):
            raise ValueError(
                f"Interpolate: knots and levels must have one shape (K,), but have {knots.shape} "
                f"and {levels.shape}"
            )
        if not (np.isfinite(knots).all() and np.isfinite(levels).all()):
            raise ValueError("Interpolate: knots and levels must be finite")
        if not (np.diff(knots) > 0).all():
            raise ValueError("Interpolate: knots must be in ascending order")
        whole_number(self.column, "Interpolate: column", 0)

    def columns(self, count: int) -> int:
        """Return I."""
        whole_number(self.column, "Interpolate: column", 0, count - 1)
        return count

    def points(self, dtype: np.dtype[np.floating]) -> tuple[Array, Array, Array]:
        """Return knots, levels and the slope after each knot, (K,), in dtype.

        Raises ValueError when a knot or level is too large for dtype.
        """
        knots, levels = np.asarray(self.knots, np.float64), np.asarray(self.levels, np.float64)
        with np.errstate(over="ignore"):
            slopes = np.append(np.diff(levels) / np.diff(knots), 0)
        # A slope overflows only between knots that round to the same number, so it is not used.
        largest = np.finfo(dtype).max
        parts = (knots, levels, np.clip(slopes, -largest, largest))
        found = [rounded(array, dtype) for array in parts]
        if not all(np.isfinite(array).all() for array in found):
            raise ValueError(f"Interpolate: knots or levels are too large for {dtype}")
        return found[0], found[1], found[2]

    def apply(self, x: Array) -> Array:
        """Return x with the column interpolated."""
        knots, levels, slopes = self.points(x.dtype)
        column = x[:, self.column]
        at = np.clip(np.searchsorted(knots, column, "right") - 1, 0, None)
        with np.errstate(all="ignore"):
            inside = np.clip(column, knots[0], knots[-1])
            values = slopes[at] * (inside - knots[at]) + levels[at]
        out = x.copy()
        out[:, self.column] = values
        return out
