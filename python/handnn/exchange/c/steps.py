"""What is done to a row before a network sees it: each step in NumPy here, and in C in `bricks`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike

from handnn.arrays import Array, as_float, whole_number


class Step(Protocol):
    """Rows in, rows out, in the dtype of the network."""

    def columns(self, count: int) -> int:
        """Return how many columns it makes of `count`; ValueError when it cannot take them."""
        ...

    def apply(self, x: Array) -> Array:
        """Return what becomes of the rows x (N, I), with the bits that the header gives."""
        ...


@dataclass(frozen=True, eq=False)
class Fill:
    """Replace NaN: ``out = x, but median where x is NaN``, then columns that say where it was.

    x (N, I), median (I,) or one number, NaN for a column whose NaN are to stay. For each of the I
    columns named in `indicator` there is one more column in out, 1 where that column was NaN and 0
    where not.
    """

    median: ArrayLike
    indicator: Sequence[SupportsIndex] = ()

    def columns(self, count: int) -> int:
        """Return I and the indicators."""
        of_columns(self.median, count, "Fill: median")
        return count + len(self.indicators(count))

    def indicators(self, count: int) -> list[int]:
        """Return the columns that have an indicator, checked."""
        return [whole_number(c, "Fill: an indicator", 0, count - 1) for c in self.indicator]

    def apply(self, x: Array) -> Array:
        """Return x without NaN, then the indicators."""
        missing = np.isnan(x)
        median = of_columns(self.median, x.shape[1], "Fill: median").astype(x.dtype)
        indicators = missing[:, self.indicators(x.shape[1])].astype(x.dtype)
        return np.concatenate([np.where(missing, median, x), indicators], axis=1)


@dataclass(frozen=True, eq=False)
class Scale:
    """Standardise columns: ``out = (x - mean) / scale``, rounded twice.

    x (N, I); mean and scale (I,) or one number, rounded to the network's dtype. A column with mean
    0 and scale 1 stays as it is. Raises ValueError when one of them is not finite, or a scale 0.
    """

    mean: ArrayLike
    scale: ArrayLike

    def __post_init__(self) -> None:
        """Check the numbers; their shape is checked when the columns are known."""
        for name, values in (("mean", self.mean), ("scale", self.scale)):
            _check_scale(as_float(values, np.float64, f"Scale: {name}"), name)

    def columns(self, count: int) -> int:
        """Return I."""
        self.arrays(count, np.dtype(np.float64))
        return count

    def arrays(self, count: int, dtype: np.dtype[Any]) -> tuple[Array, Array]:
        """Return mean (I,) and scale (I,); raise ValueError when they cannot scale anything."""
        found = []
        for name, values in (("mean", self.mean), ("scale", self.scale)):
            array = of_columns(values, count, f"Scale: {name}").astype(dtype)
            _check_scale(array, name)
            found.append(array)
        return found[0], found[1]

    def apply(self, x: Array) -> Array:
        """Return (x - mean) / scale."""
        mean, scale = self.arrays(x.shape[1], x.dtype)
        with np.errstate(all="ignore"):
            return (x - mean) / scale

    def undo(self, x: Array) -> Array:
        """Return x·scale + mean, rounded twice."""
        mean, scale = self.arrays(x.shape[1], x.dtype)
        with np.errstate(all="ignore"):
            return x * scale + mean


@dataclass(frozen=True, eq=False)
class Interpolate:
    """Go along straight lines: ``out = level + slope·(x - knot)``, from the knot below x.

    x (N, I). knots and levels: for each of the I columns as many ascending numbers as levels, or
    none for a column that stays as it is. Below the first knot and above the last one a column has
    their levels; NaN stays NaN. Raises ValueError when knots and levels are not so.
    """

    knots: Sequence[ArrayLike]
    levels: Sequence[ArrayLike]

    def __post_init__(self) -> None:
        """Check the points; how many columns there are is checked when that is known."""
        if len(self.knots) != len(self.levels):
            raise ValueError("Interpolate: knots and levels must be for as many columns")
        for column, (knots, levels) in enumerate(self.points(np.dtype(np.float64))):
            if knots.ndim != 1 or knots.shape != levels.shape:
                raise ValueError(
                    f"Interpolate: column {column} has knots {knots.shape}, levels {levels.shape}"
                )
            if not (np.isfinite([*knots, *levels]).all() and (np.diff(knots) > 0).all()):
                raise ValueError(
                    f"Interpolate: column {column} must have finite levels and ascending knots"
                )

    def columns(self, count: int) -> int:
        """Return I."""
        if count != len(self.knots):
            raise ValueError(f"Interpolate: knots must be for {count} columns")
        return count

    def points(self, dtype: np.dtype[Any]) -> list[tuple[Array, Array]]:
        """Return the knots and the levels of each column; rounding can make neighbours equal."""
        return [
            (np.asarray(knots, dtype), np.asarray(levels, dtype))
            for knots, levels in zip(self.knots, self.levels, strict=True)
        ]

    def apply(self, x: Array) -> Array:
        """Return x with the columns that have knots replaced."""
        out = x.copy()
        for column, (knots, levels) in enumerate(self.points(x.dtype)):
            if len(knots) == 0:
                continue
            values = x[:, column]
            low = np.clip(np.searchsorted(knots, values, "right") - 1, 0, max(0, len(knots) - 2))
            high = np.minimum(low + 1, len(knots) - 1)
            with np.errstate(all="ignore"):
                slope = (levels[high] - levels[low]) / (knots[high] - knots[low])
                inner = levels[low] + slope * (values - knots[low])
            ends = [values < knots[0], values >= knots[-1], np.isnan(values)]
            out[:, column] = np.select(ends, [levels[0], levels[-1], values], inner)
        return out


@dataclass(frozen=True, eq=False)
class OneHot:
    """Replace a column of codes by columns of 0 and 1: ``out = [x without it, 1 for the code]``.

    x (N, I), out (N, I - 1 + count): the other columns keep their order, as with an Embedding. A
    code is a whole number from 0 to count - 1; for anything else, NaN too, all are 0.
    """

    count: int
    column: int = 0

    def columns(self, count: int) -> int:
        """Return I - 1 + count."""
        whole_number(self.column, "OneHot: column", 0, count - 1)
        return count - 1 + whole_number(self.count, "OneHot: count")

    def apply(self, x: Array) -> Array:
        """Return x without the codes, then a column for each code."""
        codes = x[:, self.column]
        hot = (codes[:, None] == np.arange(self.count)).astype(x.dtype)
        return np.concatenate([np.delete(x, self.column, axis=1), hot], axis=1)


def _check_scale(array: Array, name: str) -> None:
    """Raise ValueError for what is not finite, and for a scale of 0."""
    if name == "mean" and not np.isfinite(array).all():
        raise ValueError(f"Scale: mean must be finite, but is {array!s:.80}")
    if name == "scale" and not (np.isfinite(array).all() and array.all()):
        raise ValueError(f"Scale: scale must be finite and not 0, but is {array!s:.80}")


def of_columns(values: ArrayLike, count: int, name: str) -> Array:
    """Return one number for each column, float64; ValueError when the shape is another."""
    array = as_float(values, np.float64, name)
    if array.shape not in ((), (count,)):
        raise ValueError(f"{name} must have shape ({count},), but has {array.shape}")
    return np.broadcast_to(array, (count,))
