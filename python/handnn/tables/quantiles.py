"""Quantile curves: piecewise linear functions that give a column a normal distribution.

A knot is a quantile of the training values; its level is the same quantile of the standard normal
distribution. Beyond the first and the last knot the function is constant. There is one knot per 8
values, but at most 257. A value that equals several quantiles has the mean of their levels;
the outermost levels are those of half a step, so that all levels are finite.
"""

from __future__ import annotations

import numpy as np

from handnn.arrays import Array
from handnn.tables.cells import Floats

MAX_KNOTS = 257

MAX_COMPARISONS = 100_000
"""Up to this number of comparisons, all columns are compared with all knots, without a search."""


def quantile_curve(values: Floats) -> tuple[Floats, Floats]:
    """Return knots (K,) and levels (K,) for values (N,); quantiles are interpolated linearly."""
    parts = _parts(len(values))
    return _curve(np.quantile(values, parts), parts)


def weighted_quantile_curve(values: Floats, weight: Floats | None) -> tuple[Floats, Floats]:
    """Return knots and levels for values (N,), where a weight of 2 counts as two rows.

    The quantiles are values of the rows: the first whose cumulative weight reaches the share.
    """
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(np.ones(len(values)) if weight is None else weight[order])
    total = float(reached[-1])
    parts = _parts(int(total))
    at = np.minimum(np.searchsorted(reached, parts * total), len(values) - 1)
    return _curve(values[order][at], parts)


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
    levels = [normal.inv_cdf(part) for part in np.clip(middles, half, 1 - half).tolist()]
    return knots, np.array(levels)


class QuantileCurves:
    """The weighted quantile curves of all columns of an array, fast for a single row.

    x: (N, I) without NaN; weight: (N,) or None.

    Attributes:
        knots, levels, slopes: float64 (I, K + 1), padded with infinity, 0 and 0.
        center: float64 (I,), the medians.
    """

    def __init__(self, x: Array, weight: Floats | None) -> None:
        curves = [weighted_quantile_curve(np.asarray(c, np.float64), weight) for c in x.T]
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
        self.center = np.array([knots[np.abs(levels).argmin()] for knots, levels in curves])
        self._offset = np.arange(len(curves)) * n_padded

    def __call__(self, x: Array) -> Floats:
        """Return the levels (N, I) of finite x (N, I); one row alone gets the same bits."""
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

    def of_columns(self, x: Array, part: slice) -> Floats:
        """Return the levels of some columns of x (N, I), up to rounding."""
        places = range(*part.indices(len(self.knots)))
        found = np.empty((len(x), len(places)))
        for at, place in enumerate(places):
            count = int(np.isfinite(self.knots[place]).sum())
            knots, levels = self.knots[place, :count], self.levels[place, :count]
            found[:, at] = np.interp(x[:, place], knots, levels)
        return found
