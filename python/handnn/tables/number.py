"""A column of numbers: missing values become the median, then the column is scaled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from math import isfinite
from typing import ClassVar, TypeVar

import numpy as np

from handnn.storage import Compact
from handnn.tables import checks
from handnn.tables.bins import bin_edges, bins, bins_of_one, outer_edges, thinned
from handnn.tables.cells import Cells, Floats, to_numbers
from handnn.tables.checks import Entry
from handnn.tables.moments import standardization
from handnn.tables.quantiles import Curve, quantile_curve
from handnn.tables.recipe import ColumnScale
from handnn.tables.steps import AddBins, ColumnStep, Impute, PiecewiseLinear, Standardize

Points = Sequence[float]


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers as learned from its training rows: ``out = (f(x) - mean) / scale``.

    Attributes:
        median: of the values present; it replaces missing values before f.
        mean, scale: mean and standard deviation of f(x) after that; 0 and 1 without scaling. scale
            is 1 for a constant column, and larger where a value would be farther than 10 from 0.
        has_gaps: whether values were missing in training. If so, the network has another input, 1
            where the value is missing, else 0.
        reads_text: has no effect; files of older versions have it.
        edges: the edges of the bins, which are additional inputs: see `tables.bins`; () for none.
        knots, levels: f is piecewise linear through the points (knot, level) and constant beyond
            them; f(x) = x without knots.

    Examples:
        >>> column = handnn.Columns.learn({"size": [45, 60, None]}).columns[0]
        >>> column.median, column.has_gaps, str(column)
        (52.5, True, 'median 52.5, mean 52.5, scale 6.124, with gaps')
    """

    median: float
    mean: float
    scale: float
    has_gaps: bool
    reads_text: bool = False
    knots: Points = ()
    levels: Points = ()
    edges: Points = ()

    kind: ClassVar[str] = "number"

    @classmethod
    def learn(
        cls, column: Cells, where: str, *, scale: ColumnScale, is_chosen: bool
    ) -> NumberColumn:
        """Learn from a column with at least one value; ValueError for a bad cell."""
        values = to_numbers(column, where)
        gaps = column.missing
        present = values[~gaps]
        if len(present) == 0:
            raise ValueError(f"{where}: {column.name} has no value in any row; leave it out")
        with np.errstate(over="ignore", invalid="ignore"):
            median = float(np.median(present))
            values[gaps] = median
            knots, levels = normal_levels(present) if scale == "quantile" else ((), ())
            scaled = np.interp(values, knots, levels) if knots else values
            mean, deviation = standardization(scaled) if scale else (0.0, 1.0)
        if not np.isfinite([median, mean, deviation, *knots]).all():
            largest = abs(values) == abs(values).max()
            raise column.error(where, largest, "is too large to be scaled")
        return cls(median, mean, deviation, bool(gaps.any()), False, knots, levels)

    def with_bins(self, column: Cells, where: str, n_bins: int) -> NumberColumn:
        """Return the column with up to `n_bins` bins of the training values."""
        present = to_numbers(column, where)[~column.missing]
        return replace(self, edges=bin_edges(present, n_bins))

    def with_outer_bins(self) -> NumberColumn:
        """Return the column with two more bins, if it has bins: see `tables.beyond`."""
        return replace(self, edges=outer_edges(self.edges))

    def names_out(self, name: str) -> list[str]:
        """Return the names of the inputs: "age", "age from 18", "age from 25"."""
        return [name, *(f"{name} from {edge:.6g}" for edge in self.edges[:-1])]

    def transform(self, column: Cells, where: str) -> Floats:
        """Return the imputed and scaled numbers, and their bins, float64 (N, 1 + B)."""
        values = to_numbers(column, where)
        values[column.missing] = self.median
        more = [bins(values, np.array(self.edges))] if self.edges else []
        if self.knots:
            values = self._curve(values)
        with np.errstate(over="ignore"):
            values -= self.mean
            values /= self.scale
        return np.hstack([values[:, None], *more])

    def inputs_of_one(self, number: float) -> tuple[float, list[float]]:
        """Return the first input and the bins of one number, NaN if it is missing.

        They have the bits of `transform`.
        """
        if number != number:
            number = self.median
        more = bins_of_one(number, self._edge_list) if self.edges else []
        if self.knots:
            number = self._curve.of_one(number)
        return (number - self.mean) / self.scale, more

    @cached_property
    def _edge_list(self) -> list[float]:
        return list(self.edges)  # faster than those of a file

    @cached_property
    def _curve(self) -> Curve:
        return Curve(self.knots, self.levels)

    def steps(self, *, one_hot: bool) -> tuple[ColumnStep, ...]:
        """Return the preprocessing of `transform` as steps; `one_hot` concerns categories only."""
        curve = (PiecewiseLinear(self.knots, self.levels),) if self.knots else ()
        fill = Impute(self.median, self.has_gaps)
        more = (AddBins(self.edges),) if self.edges else ()
        return (fill, *more, *curve, Standardize(self.mean, self.scale))

    def to_dict(self) -> dict[str, object]:
        """Return a JSON object for `from_dict`."""
        found = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for name in ("knots", "levels", "edges"):
            found[name] = list(found[name])
        if not self.edges:  # as in files of older versions
            del found["edges"]
        return {"kind": self.kind, **found}

    @classmethod
    def from_dict(cls, entry: Entry) -> NumberColumn:
        """Build the column that `to_dict` describes; ValueError for an invalid description."""
        name = "a column of numbers"
        edges = entry.get("edges", [])  # absent without bins, and from files of older versions
        known = {"kind", *cls.__dataclass_fields__} - ({"edges"} if "edges" not in entry else set())
        checks.keys(entry, known, name)
        scale = checks.number(entry["scale"], f"{name}: scale")
        if scale <= 0:
            raise ValueError(f"{name}: scale must be above 0, but is {scale}")
        return cls(
            checks.number(entry["median"], f"{name}: median"),
            checks.number(entry["mean"], f"{name}: mean"),
            scale,
            checks.truth(entry["has_gaps"], f"{name}: has_gaps"),
            checks.truth(entry["reads_text"], f"{name}: reads_text"),
            *_checked_points(entry["knots"], entry["levels"], name),
            _checked_edges(edges, name),
        )

    def __str__(self) -> str:
        """Describe the column: ``median 2, mean 2.5, scale 0.87, with gaps``."""
        text = f"median {self.median:.4g}, mean {self.mean:.4g}, scale {self.scale:.4g}"
        if self.knots:
            text = f"median {self.median:.4g}, from {self.knots[0]:.4g} to {self.knots[-1]:.4g}"
        text += f", {len(self.edges) - 1} bins" if self.edges else ""
        return text + (", with gaps" if self.has_gaps else "")


ColumnT = TypeVar("ColumnT")


def with_thinned_bins(
    columns: Sequence[ColumnT | NumberColumn], max_bins: int
) -> list[ColumnT | NumberColumn]:
    """Return all columns of a table, those of numbers with the bins that `bins.thinned` leaves."""
    edges = [column.edges if isinstance(column, NumberColumn) else () for column in columns]
    return [
        replace(column, edges=some) if isinstance(column, NumberColumn) else column
        for column, some in zip(columns, thinned(edges, max_bins), strict=True)
    ]


def normal_levels(values: Floats) -> tuple[Points, Points]:
    """Return knots and levels of a `quantile_curve` as tuples, for a NumberColumn."""
    knots, levels = quantile_curve(values)
    return tuple(knots.tolist()), tuple(levels.tolist())


def _checked_points(knots: object, levels: object, name: str) -> tuple[Points, Points]:
    """Return the points of f as a file has them; ValueError for invalid ones."""
    lists = list, Compact
    if not (isinstance(knots, lists) and isinstance(levels, lists) and len(knots) == len(levels)):
        raise ValueError(f"{name}: knots and levels must be lists of the same length")
    if not knots:
        return (), ()
    ascending = checks.numbers(knots, f"{name}: knots")
    if any(not a < b for a, b in pairwise(ascending)):
        raise ValueError(f"{name}: knots must be in ascending order")
    return ascending, checks.numbers(levels, f"{name}: levels")


def _checked_edges(edges: object, name: str) -> Points:
    """Return the edges of the bins as a file has them; ValueError for invalid ones."""
    if edges == []:
        return ()
    if not isinstance(edges, list | Compact) or len(edges) < 3:
        raise ValueError(f"{name}: edges must be a list of three or more numbers")
    ascending = checks.numbers(edges, f"{name}: edges")
    if any(not a < b for a, b in pairwise(ascending)):
        raise ValueError(f"{name}: edges must be in ascending order")
    if not all(isfinite(b - a) for a, b in pairwise(ascending)):
        raise ValueError(f"{name}: edges are too far apart for float64")
    return ascending
