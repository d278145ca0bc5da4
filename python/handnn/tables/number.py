"""A column of numbers: its gaps filled with the median, then brought to a scale."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from handnn.tables import checks
from handnn.tables.cells import Cells, Numbers, numbers
from handnn.tables.steps import ColumnStep, Impute, PiecewiseLinear, Standardize

Scale = bool | Literal["quantile"]

MOST_KNOTS = 257
"""How many quantiles are looked at, at the most."""


@dataclass(frozen=True)
class NumberColumn:
    """What is learnt of a column of numbers: ``out = (f(x) - mean) / scale``.

    A gap is filled with the median first.

    Attributes:
        median: of the values that are there.
        mean, scale: mean and standard deviation of f(x), after filling; 0 and 1 without scaling,
            and scale is 1 when all values are the same.
        has_gaps: whether values were missing in training; then there is a column more, 1 in a row
            whose value is missing and 0 in the others.
        reads_text: whether text that reads as a number is taken for one in any table.
        knots, levels: f goes in straight lines through the points (knot, level), and stays at the
            first and the last level beyond them; f(x) = x when there are none.
    """

    median: float
    mean: float
    scale: float
    has_gaps: bool
    reads_text: bool = False
    knots: tuple[float, ...] = ()
    levels: tuple[float, ...] = ()

    kind = "number"

    @classmethod
    def learn(cls, column: Cells, where: str, *, scale: Scale, reads_text: bool) -> NumberColumn:
        """Learn from a column that has at least one value; ValueError when it has a bad cell."""
        values = numbers(column, where, reads_text or column.is_loose)
        gaps = column.missing
        there = values[~gaps]
        if len(there) == 0:
            raise ValueError(f"{where}: {column.name} has no value in any row; leave it out")
        with np.errstate(over="ignore", invalid="ignore"):
            median = float(np.median(there))
            values[gaps] = median
            knots, levels = normal_levels(there) if scale == "quantile" else ((), ())
            scaled = np.interp(values, knots, levels) if knots else values
            mean, deviation = (float(scaled.mean()), float(scaled.std())) if scale else (0.0, 1.0)
        if not np.isfinite([median, mean, deviation, *knots]).all():
            largest = abs(values) == abs(values).max()
            raise column.error(where, largest, "is too large to be scaled")
        if scaled.min() == scaled.max() or deviation == 0:
            mean, deviation = (float(scaled[0]) if scale else 0.0), 1.0
        return cls(median, mean, deviation, bool(gaps.any()), reads_text, knots, levels)

    def transform(self, column: Cells, where: str) -> Numbers:
        """Return the filled and scaled numbers, float64 (N,)."""
        values = numbers(column, where, self.reads_text or column.is_loose)
        values[column.missing] = self.median
        if self.knots:
            values = np.interp(values, self.knots, self.levels)
        with np.errstate(over="ignore"):
            values -= self.mean
            values /= self.scale
        return values

    def steps(self, *, one_hot: bool) -> tuple[ColumnStep, ...]:
        """Return the preprocessing of `transform` as steps; `one_hot` concerns categories only."""
        curve = (PiecewiseLinear(self.knots, self.levels),) if self.knots else ()
        fill = Impute(self.median, self.has_gaps)
        return (fill, *curve, Standardize(self.mean, self.scale))

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` takes."""
        found = {"kind": self.kind, **asdict(self)}
        return {**found, "knots": list(self.knots), "levels": list(self.levels)}

    @classmethod
    def from_dict(cls, entry: dict[str, Any]) -> NumberColumn:
        """Return the column that `to_dict` describes; ValueError when it describes none."""
        name = "a column of numbers"
        checks.keys(entry, {"kind", *cls.__dataclass_fields__}, name)
        scale = checks.number(entry["scale"], f"{name}: scale")
        if scale <= 0:
            raise ValueError(f"{name}: scale must be above 0, but is {scale}")
        return cls(
            checks.number(entry["median"], f"{name}: median"),
            checks.number(entry["mean"], f"{name}: mean"),
            scale,
            checks.truth(entry["has_gaps"], f"{name}: has_gaps"),
            checks.truth(entry["reads_text"], f"{name}: reads_text"),
            *_points(entry["knots"], entry["levels"], name),
        )

    def __str__(self) -> str:
        """Say what has been learnt, for people."""
        text = f"median {self.median:.4g}, mean {self.mean:.4g}, scale {self.scale:.4g}"
        if self.knots:
            text = f"median {self.median:.4g}, from {self.knots[0]:.4g} to {self.knots[-1]:.4g}"
        return text + (", with gaps" if self.has_gaps else "")


def normal_levels(values: Numbers) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return quantiles of the values, and those of a normal distribution, as knots and levels.

    One knot for 8 values, but no more than 257. A value that is several quantiles at once has the
    level of their middle. The ends have the level of half a step, so that no level is infinite.
    """
    from statistics import NormalDist

    count = min(MOST_KNOTS, max(2, len(values) // 8))
    parts = np.linspace(0, 1, count)
    quantiles = np.quantile(values, parts)
    knots, place = np.unique(quantiles, return_inverse=True)
    middles = np.bincount(place, parts) / np.bincount(place)
    half = 0.5 / count
    normal = NormalDist()
    levels = [normal.inv_cdf(part) for part in np.clip(middles, half, 1 - half).tolist()]
    return tuple(knots.tolist()), tuple(levels)


def _points(
    knots: object, levels: object, name: str
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the points of f as a file has them; ValueError when they are none."""
    if not (isinstance(knots, list) and isinstance(levels, list) and len(knots) == len(levels)):
        raise ValueError(f"{name}: knots and levels must be lists of the same length")
    found = [
        tuple(checks.number(value, f"{name}: {what}") for value in values)
        for what, values in (("knots", knots), ("levels", levels))
    ]
    if any(not a < b for a, b in pairwise(found[0])):
        raise ValueError(f"{name}: knots must be in ascending order")
    return found[0], found[1]
