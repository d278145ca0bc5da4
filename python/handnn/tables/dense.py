"""Arrays of numbers without missing values, scaled for a network: fast for a single row."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import numpy as np
from numpy.typing import DTypeLike

from handnn.arrays import Array
from handnn.layers import Brick
from handnn.tables.bins import BinnedColumn, Edges, bin_edges, bins, outer_edges, thinned
from handnn.tables.moments import Weights, check_finite, means, standardization
from handnn.tables.quantiles import QuantileCurves
from handnn.tables.recipe import MAX_BINS

BLOCK_ROWS, BLOCK_CELLS = 8192, 2**22
"""The number of rows, or of cells, processed at a time, which bounds temporary memory."""


class DenseInput:
    """Columns of numbers, scaled: ``(f(x) - mean) / scale``; without weights, as by `Columns`.

    The bins of all columns follow them: see `tables.bins`.

    x: float32 or float64 (N, I) without NaN; weight: (N,) or None. scaling: "standard", f(x) = x;
    "quantile", f the `QuantileCurves` of the columns; "none", x unchanged. n_bins, max_bins: the
    largest number of bins of a column, and of all columns.

    Attributes:
        mean, scale: float64 (I,), weighted: see `standardization`; 0 and 1 with "none".
        n_in: I. n_after: I and the number of bins. binned: the columns that have bins.

    Raises ValueError where numbers are too large to be scaled.
    """

    def __init__(
        self,
        x: Array,
        weight: Weights,
        scaling: str,
        n_bins: int = 0,
        max_bins: int = MAX_BINS,
    ) -> None:
        self.n_in = x.shape[1]
        edges: list[Edges] = []
        if n_bins:
            columns = (np.asarray(column, np.float64) for column in x.T)
            edges = thinned([bin_edges(column, n_bins, weight) for column in columns], max_bins)
        self._set_bins(edges)
        self.scaling = scaling
        self.curves = QuantileCurves(x, weight) if scaling == "quantile" else None
        self.mean, self.scale = np.zeros(self.n_in), np.ones(self.n_in)
        n_columns = max(1, BLOCK_CELLS // len(x))
        for first in range(0, self.n_in, n_columns):
            part = slice(first, first + n_columns)
            levels = x[:, part] if self.curves is None else self.curves.of_columns(x, part)
            if scaling == "none":
                self.mean[part] = means(levels, weight)
                continue
            for place, column in enumerate(levels.T, first):
                values = np.ascontiguousarray(column, np.float64)
                self.mean[place], self.scale[place] = standardization(values, weight)
        if scaling != "none":
            check_finite(self.mean, self.scale, "X")
        self.center = self.mean if self.curves is None else self.curves.center

    def _set_bins(self, edges: Iterable[Edges]) -> None:
        self.binned, self.n_after = [], self.n_in
        for place, some in enumerate(edges):
            if some:
                self.binned.append(BinnedColumn(place, self.n_after, some))
                self.n_after += len(some) - 1

    def with_outer_bins(self) -> DenseInput:
        """Return the columns with two more bins: see `tables.beyond`."""
        edges = {column.place: outer_edges(column.edges) for column in self.binned}
        found = copy.copy(self)
        found._set_bins(edges.get(place, ()) for place in range(self.n_in))
        return found

    def transform(self, x: Array, dtype: DTypeLike) -> Array:
        """Return x (N, I), float32 or float64, encoded for the network, in `dtype`."""
        if self.scaling == "none":
            return np.ascontiguousarray(x, dtype)
        if len(x) <= BLOCK_ROWS:
            scaled = (x if self.curves is None else self.curves(x)) - self.mean
            scaled /= self.scale
            if not self.binned:
                return scaled.astype(dtype, order="C", copy=False)
            found = np.empty((len(x), self.n_after), dtype)
            found[:, : self.n_in] = scaled
            for column in self.binned:
                values = np.asarray(x[:, column.place], np.float64)
                found[:, column.bin_places] = bins(values, np.array(column.edges))
            return found
        out = np.empty((len(x), self.n_after), dtype)
        for first in range(0, len(x), BLOCK_ROWS):
            part = slice(first, first + BLOCK_ROWS)
            out[part] = self.transform(x[part], dtype)
        return out

    def fill(self, x: Array) -> Array:
        """Return x with NaN replaced by the means, or by the medians with "quantile"."""
        return np.where(np.isnan(x), self.center, x).astype(x.dtype)

    def first_layers(self, rng: np.random.Generator, dtype: str) -> list[Brick]:
        """Return no layers: numbers enter the network directly."""
        return []
