"""Quantile curves: piecewise linear functions that shorten the tails of a column.

A knot is a quantile of the training values. Its level is the mean of two numbers: the same quantile
of the standard normal distribution; and the knot itself, standardized by the mean and deviation of
all quantiles, with the weight `LINEAR_SHARE`. The first spreads the bulk of a skewed column evenly.
The second keeps the shape of long tails, so that a linear dependence on the column remains nearly
linear in the levels. For a normal column both are the same.

Beyond the first and the last knot the function is constant. There is one knot per 8 values, but at
most 257. A value that equals several quantiles has the level of the middle one. The outermost
quantiles lie half a step inside 0 and 1, so that all levels are finite.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from handnn.arrays import Array
from handnn.tables.cells import Floats

MAX_KNOTS = 257

LINEAR_SHARE = 0.3
"""The weight of the standardized value beside that of the normal quantile, which is 1."""

MAX_COMPARISONS = 100_000
"""Up to this number of comparisons, all columns are compared with all knots, without a search."""


def quantile_curve(values: Floats, weight: Floats | None = None) -> tuple[Floats, Floats]:
    """Return knots (K,) and levels (K,) for values (N,), where a weight of 2 counts as two rows.

    The quantiles are values of the rows: the first whose cumulative weight reaches the share.
    """
    total = float(len(values) if weight is None else weight.sum())
    parts = _parts(int(total))
    return _curve(quantiles(values, parts, weight), parts)


def quantiles(values: Floats, parts: Floats, weight: Floats | None) -> Floats:
    """Return, for each share (K,), the first of values (N,) whose cumulative weight reaches it."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(np.ones(len(values)) if weight is None else weight[order])
    at = np.minimum(np.searchsorted(reached, parts * reached[-1]), len(values) - 1)
    return np.asarray(values[order][at])


def _median(values: Floats, weight: Floats | None) -> float:
    """Return the first value whose cumulative weight reaches a half."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(np.ones(len(values)) if weight is None else weight[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])


def _parts(n_rows: int) -> Floats:
    """Return the shares, from 0 to 1, whose quantiles become knots."""
    return np.linspace(0, 1, min(MAX_KNOTS, max(2, n_rows // 8)))


def _curve(quantiles: Floats, parts: Floats) -> tuple[Floats, Floats]:
    """Return the distinct quantiles as knots, and their levels."""
    from statistics import NormalDist  # its import takes milliseconds

    knots, place = np.unique(quantiles, return_inverse=True)
    place = place.ravel()
    middles = np.bincount(place, parts) / np.bincount(place)
    half = 0.5 / len(parts)
    normal = NormalDist()
    clipped = np.clip(middles, half, 1 - half).tolist()
    levels = np.array([normal.inv_cdf(part) for part in clipped])
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = quantiles.mean(), quantiles.std()
    if not 0 < deviation < np.inf:
        return knots, levels
    standardized = (knots - mean) / deviation
    return knots, (levels + LINEAR_SHARE * standardized) / (1 + LINEAR_SHARE)


class Curve:
    """A piecewise linear function through the points (knot, level), constant beyond them.

    knots: ascending. The bits are those of `np.interp`, which may round once less on some CPUs.

    Examples:
        >>> from handnn.tables.quantiles import Curve
        >>> curve = Curve((0.0, 2.0, 4.0), (0.0, 1.0, 5.0))
        >>> curve(np.array([-1.0, 1.0, 3.0])), curve.of_one(3.0)
        (array([0. , 0.5, 3. ]), 3.0)
    """

    def __init__(self, knots: Sequence[float], levels: Sequence[float]) -> None:
        self._knots, self._levels = list(knots), list(levels)
        self._arrays = np.array(self._knots), np.array(self._levels)
        with np.errstate(over="ignore"):
            self._slopes: Floats = np.diff(self._arrays[1]) / np.diff(self._arrays[0])
        self._slope_list: list[float] = self._slopes.tolist()

    def __call__(self, x: Floats) -> Floats:
        """Return the levels (N,) of numbers (N,)."""
        knots, levels = self._arrays
        place = np.searchsorted(knots, x, side="right")
        inside = (place > 0) & (place < len(knots))
        found: Floats = np.where(place > 0, levels[-1], levels[0])
        place, x_inside = place[inside] - 1, x[inside]
        with np.errstate(over="ignore", invalid="ignore"):
            found[inside] = self._slopes[place] * (x_inside - knots[place]) + levels[place]
        return np.interp(x, knots, levels) if np.isnan(found).any() else found

    def of_one(self, number: float) -> float:
        """Return the level of one number, with the same bits."""
        place = bisect_right(self._knots, number) - 1
        if place < 0:
            return self._levels[0]
        if place == len(self._slope_list):
            return self._levels[-1]
        level = self._slope_list[place] * (number - self._knots[place]) + self._levels[place]
        return level if level == level else float(np.interp(number, *self._arrays))


class QuantileCurves:
    """The weighted quantile curves of all columns of an array, fast for a single row.

    x: (N, I) without NaN; weight: (N,) or None.

    Attributes:
        knots, levels, slopes: float64 (I, K + 1), padded with infinity, 0 and 0.
        center: float64 (I,), the medians.
    """

    def __init__(self, x: Array, weight: Floats | None) -> None:
        curves = [quantile_curve(np.asarray(c, np.float64), weight) for c in x.T]
        n_padded = 1 + max(len(knots) for knots, _ in curves)  # the last is infinite, for __call__
        shape = (len(curves), n_padded)
        self.knots = np.full(shape, np.inf)
        self.levels, self.slopes = np.zeros(shape), np.zeros(shape)
        for place, (knots, levels) in enumerate(curves):
            count = len(knots)
            self.knots[place, :count] = knots
            self.levels[place, :count] = levels
            self.slopes[place, : count - 1] = np.diff(levels) / np.diff(knots)
        self.first = self.knots[:, 0].copy()
        self.last = np.array([knots[-1] for knots, _ in curves])
        self.center = np.array([_median(np.asarray(c, np.float64), weight) for c in x.T])
        self._offset = np.arange(len(curves)) * n_padded

    def __call__(self, x: Array) -> Floats:
        """Return the levels (N, I) of finite x (N, I); each row is independent of the others."""
        x = np.minimum(np.maximum(x, self.first), self.last)
        if len(x) * self.knots.size <= MAX_COMPARISONS:
            place = (self.knots <= x[:, :, None]).argmin(axis=2) - 1  # before the first above x
        else:
            place = np.empty(x.shape, np.intp)
            for column, knots in enumerate(self.knots):
                place[:, column] = np.searchsorted(knots, x[:, column], side="right") - 1
        place += self._offset
        levels: Floats = x - self.knots.take(place)
        levels *= self.slopes.take(place)
        levels += self.levels.take(place)
        return levels

    def points(self, place: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return the knots and levels of a column."""
        count = int(np.isfinite(self.knots[place]).sum())
        knots, levels = self.knots[place, :count], self.levels[place, :count]
        return tuple(knots.tolist()), tuple(levels.tolist())

    def of_columns(self, x: Array, part: slice) -> Floats:
        """Return the levels of some columns of x (N, I), up to rounding."""
        places = range(*part.indices(len(self.knots)))
        found = np.empty((len(x), len(places)))
        for at, place in enumerate(places):
            count = int(np.isfinite(self.knots[place]).sum())
            knots, levels = self.knots[place, :count], self.levels[place, :count]
            found[:, at] = np.interp(x[:, place], knots, levels)
        return found
