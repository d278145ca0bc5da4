"""Curves: columns bent so that their values are spread as a normal distribution's."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import Array

Floats = NDArray[np.float64]

MOST_KNOTS = 257
FEW = 100_000
"""Up to so many comparisons, all columns are looked up at once, without a search."""


class Curves:
    """For each column straight lines through points (knot, level), and level beyond the ends.

    A knot is a quantile of the training rows, its level that of a normal distribution: what
    `Columns` does with scale="quantile", but with weights, where a row of weight 2 is two rows, and
    fast for one row. center (I,): the medians.
    """

    def __init__(self, x: Array, weight: Floats | None) -> None:
        points = [_points(np.asarray(column, np.float64), weight) for column in x.T]
        most = 1 + max(len(knots) for knots, _ in points)  # the last is infinite, for __call__
        shape = (len(points), most)
        self.knots = np.full(shape, np.inf)
        self.levels, self.slopes = np.zeros(shape), np.zeros(shape)
        for place, (knots, levels) in enumerate(points):
            count = len(knots)
            self.knots[place, :count] = knots
            self.levels[place, :count] = levels
            self.slopes[place, : count - 1] = np.diff(levels) / np.diff(knots)
        self.first = self.knots[:, 0].copy()
        self.last = np.array([knots[-1] for knots, _ in points])
        self.center = np.array([knots[np.abs(levels).argmin()] for knots, levels in points])
        self._offset = np.arange(len(points)) * most

    def __call__(self, x: Array) -> Floats:
        """Return the levels of finite numbers x (N, I); a row has the same bits alone."""
        x = np.minimum(np.maximum(x, self.first), self.last)
        if len(x) * self.knots.size <= FEW:
            place = (self.knots <= x[:, :, None]).argmin(axis=2) - 1  # behind the first above it
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


def _points(values: Floats, weight: Floats | None) -> tuple[Floats, Floats]:
    """Return quantiles of the values as knots, and those of a normal distribution as levels.

    One knot for a weight of 8, but no more than 257. A value that is several quantiles at once has
    the level of their middle; the ends have that of half a step, so that no level is infinite.
    """
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(np.ones(len(values)) if weight is None else weight[order])
    total = float(reached[-1])
    count = min(MOST_KNOTS, max(2, int(total) // 8))
    parts = np.linspace(0, 1, count)
    at = np.minimum(np.searchsorted(reached, parts * total), len(values) - 1)
    found: Any = np.unique(values[order][at], return_inverse=True)
    knots, place = found[0], found[1].ravel()
    middles = np.bincount(place, parts) / np.bincount(place)
    half = 0.5 / count
    normal = NormalDist()
    levels = [normal.inv_cdf(part) for part in np.clip(middles, half, 1 - half).tolist()]
    return knots, np.array(levels)
