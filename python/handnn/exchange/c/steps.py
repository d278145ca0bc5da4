"""What is done to a row before a network sees it: each step in NumPy here, and in C in `bricks`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, as_float, whole_number


class Step(Protocol):
    """Rows in, rows out, in the dtype of the network."""

    def columns(self, count: int) -> int:
        """Return how many columns it makes of `count`; ValueError when it cannot take them."""
        ...

    def apply(self, x: Array) -> Array:
        """Return what becomes of the rows x (N, I), with the bits that the header gives."""
        ...


class Answer(Protocol):
    """What is done to the output of a network: outputs in, answers out, in its dtype."""

    def columns(self, count: int) -> int:
        """Return how many columns it takes of `count`; ValueError when it cannot take them."""
        ...

    def undo(self, x: Array) -> Array:
        """Return what becomes of the outputs x (N, O), with the bits that the header gives."""
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

    def __post_init__(self) -> None:
        """Check what can be checked before the columns are known."""
        as_float(self.median, np.float64, "Fill: median")
        given: object = self.indicator
        if not isinstance(given, Sequence | np.ndarray):
            kind = type(given).__name__
            raise TypeError(f"Fill: indicator must be a list of columns, but is a {kind}")
        for column in self.indicator:
            whole_number(column, "Fill: an indicator", 0)

    def columns(self, count: int) -> int:
        """Return I and the indicators."""
        self.medians(count, np.dtype(np.float64))
        return count + len(self.indicators(count))

    def medians(self, count: int, dtype: np.dtype[Any]) -> Array:
        """Return the median of every column, (I,), in dtype; ValueError if one is too large."""
        median = of_columns(self.median, count, "Fill: median")
        rounded = _rounded(median, dtype)
        if (np.isinf(rounded) & np.isfinite(median)).any():
            raise ValueError(f"Fill: median is too large for {dtype}: {median!s:.80}")
        return rounded

    def indicators(self, count: int) -> list[int]:
        """Return the columns that have an indicator, checked."""
        return [whole_number(c, "Fill: an indicator", 0, count - 1) for c in self.indicator]

    def apply(self, x: Array) -> Array:
        """Return x without NaN, then the indicators."""
        missing = np.isnan(x)
        median = self.medians(x.shape[1], x.dtype)
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
            array = _rounded(of_columns(values, count, f"Scale: {name}"), dtype)
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
class OneHot:
    """Replace a column of codes by columns of 0 and 1: ``out = [x without it, 1 for the code]``.

    x (N, I), out (N, I - 1 + count): the other columns keep their order, as with an Embedding. A
    code is a whole number from 0 to count - 1; for anything else, NaN too, all are 0.
    """

    count: int
    column: int = 0

    def __post_init__(self) -> None:
        """Check what can be checked before the columns are known."""
        whole_number(self.count, "OneHot: count")
        whole_number(self.column, "OneHot: column", 0)

    def columns(self, count: int) -> int:
        """Return I - 1 + count."""
        whole_number(self.column, "OneHot: column", 0, count - 1)
        return count - 1 + whole_number(self.count, "OneHot: count")

    def apply(self, x: Array) -> Array:
        """Return x without the codes, then a column for each code."""
        codes = x[:, self.column]
        hot = (codes[:, None] == np.arange(self.count)).astype(x.dtype)
        return np.concatenate([np.delete(x, self.column, axis=1), hot], axis=1)


@dataclass(frozen=True, eq=False)
class Bend:
    """Lead a column along straight lines through points: ``out = np.interp(x, knots, levels)``.

    knots (K,) ascending, levels (K,); x (N, I), of which `column` is changed. Beyond the first and
    the last knot it stays at their levels. All is rounded to the network's dtype, slopes too.
    """

    knots: ArrayLike
    levels: ArrayLike
    column: int = 0

    def __post_init__(self) -> None:
        """Check the points."""
        knots, levels = (
            as_float(values, np.float64, f"Bend: {name}")
            for name, values in (("knots", self.knots), ("levels", self.levels))
        )
        if knots.ndim != 1 or knots.shape != levels.shape or not len(knots):
            raise ValueError(
                f"Bend: knots and levels must have one shape (K,), but have {knots.shape} and "
                f"{levels.shape}"
            )
        if not (np.isfinite(knots).all() and np.isfinite(levels).all()):
            raise ValueError("Bend: knots and levels must be finite")
        if not (np.diff(knots) > 0).all():
            raise ValueError("Bend: knots must be in ascending order")
        whole_number(self.column, "Bend: column", 0)

    def columns(self, count: int) -> int:
        """Return I."""
        whole_number(self.column, "Bend: column", 0, count - 1)
        return count

    def points(self, dtype: np.dtype[Any]) -> tuple[Array, Array, Array]:
        """Return knots, levels and the slopes behind each knot, (K,); ValueError if too large."""
        knots, levels = np.asarray(self.knots, np.float64), np.asarray(self.levels, np.float64)
        with np.errstate(over="ignore"):
            slopes = np.append(np.diff(levels) / np.diff(knots), 0)
        most = np.finfo(dtype).max  # between knots that are one number there is nothing
        found = [_rounded(array, dtype) for array in (knots, levels, np.clip(slopes, -most, most))]
        if not all(np.isfinite(array).all() for array in found):
            raise ValueError(f"Bend: knots or levels are too large for {dtype}")
        return found[0], found[1], found[2]

    def apply(self, x: Array) -> Array:
        """Return x with the column led along the lines."""
        knots, levels, slopes = self.points(x.dtype)
        column = x[:, self.column]
        at = np.clip(np.searchsorted(knots, column, "right") - 1, 0, None)
        with np.errstate(all="ignore"):
            bent = slopes[at] * (np.clip(column, knots[0], knots[-1]) - knots[at]) + levels[at]
        out = x.copy()
        out[:, self.column] = bent
        return out


@dataclass(frozen=True, eq=False)
class Look:
    """Replace numbers that tell kinds apart by their codes: ``out = place of x among the labels``.

    labels (K,), all different in the network's dtype; x (N, I), of which `column` is changed. NaN
    has code K, and any other number K + 1.
    """

    labels: ArrayLike
    column: int = 0

    def __post_init__(self) -> None:
        """Check the labels."""
        labels = as_float(self.labels, np.float64, "Look: labels")
        if labels.ndim != 1 or not len(labels) or not np.isfinite(labels).all():
            raise ValueError(f"Look: labels must be finite numbers (K,), but are {labels!s:.80}")
        whole_number(self.column, "Look: column", 0)

    def columns(self, count: int) -> int:
        """Return I."""
        whole_number(self.column, "Look: column", 0, count - 1)
        return count

    def rounded(self, dtype: np.dtype[Any]) -> Array:
        """Return the labels (K,); ValueError when two are one number in dtype."""
        labels = _rounded(np.asarray(self.labels, np.float64), dtype)
        if len(np.unique(labels)) < len(labels) or not np.isfinite(labels).all():
            raise ValueError(f"Look: labels are not all different in {dtype}: {labels!s:.80}")
        return labels

    def apply(self, x: Array) -> Array:
        """Return x with codes in the column."""
        column, labels = x[:, self.column], self.rounded(x.dtype)
        is_it = column[:, None] == labels
        codes = np.where(is_it.any(axis=1), is_it.argmax(axis=1), len(labels) + 1)
        out = x.copy()
        out[:, self.column] = np.where(np.isnan(column), len(labels), codes)
        return out


@dataclass(frozen=True, eq=False)
class BothClasses:
    """Make probabilities of two classes of one logit: ``out = [sigmoid(-x), sigmoid(x)]``."""

    def columns(self, count: int) -> int:
        """Return 2; ValueError unless there is one column."""
        if count != 1:
            raise ValueError(f"BothClasses: x must have 1 column, but has {count}")
        return 2

    def undo(self, x: Array) -> Array:
        """Return the probabilities (N, 2) of x (N, 1)."""
        return np.hstack([functional.sigmoid_forward(-x), functional.sigmoid_forward(x)])


def _rounded(array: Array, dtype: np.dtype[Any]) -> Array:
    """Return an array in dtype, infinite where that has no such numbers."""
    with np.errstate(all="ignore"):
        return array.astype(dtype)


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
