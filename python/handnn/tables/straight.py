"""Straight lines: a linear network that learns from numbers as they are, without curve and bins.

A linear network has a weight for the curve of a column (its quantiles) and one for each of its
bins. Where the target is a straight line in a column with a long tail, they all must agree, and few
rows determine the weight of a wide bin. So one of the linear members learns from the standardized
column itself. Between its edges, a column is a weighted sum of its bins,

    x = e_0 + Σ_b (e_(b+1) - e_b)·(input_b + 1/2)

so after training its weight becomes weights of the bins, and the network has the inputs of the
others. Beyond the edges it is constant, as they are; `beyond` lets lines go on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from handnn.arrays import Array
from handnn.layers import Affine
from handnn.network import Network
from handnn.tables.bins import BinnedColumn
from handnn.tables.moments import standardization


class StraightInputs:
    """Inputs in which columns with bins are replaced by their standardized values.

    binned: the columns that have bins. x: (N, I) the inputs of the training rows.
    """

    def __init__(self, binned: Sequence[BinnedColumn], x: Array) -> None:
        self._columns = []
        for column in binned:
            with np.errstate(over="ignore", invalid="ignore"):
                mean, scale = standardization(column.values(x))
            if np.isfinite([mean, scale]).all():
                self._columns.append((column, mean, scale))

    @property
    def binned(self) -> list[BinnedColumn]:
        """The columns that are replaced: those whose values have a deviation within float64."""
        return [column for column, _, _ in self._columns]

    def transform(self, x: Array) -> Array:
        """Return x (N, I) with the standardized values in place of curves, and 0 for the bins."""
        out = x.copy()
        for column, mean, scale in self._columns:
            out[:, column.place] = (column.values(x) - mean) / scale
            out[:, column.bin_places] = 0
        return out

    def to_bins(self, network: Network) -> None:
        """Move weights so that the network predicts for x what it predicts for `transform(x)`.

        network: any first layers that do not read columns with bins, and an Affine. Weights of bins
        are overwritten.
        """
        affine = network.layers[-1]
        assert isinstance(affine, Affine)
        bias = affine.b.astype(np.float64)
        for column, mean, scale in self._columns:
            w = affine.w[column.place].astype(np.float64) / scale
            widths = np.diff(column.edges)
            affine.w[column.bin_places] = widths[:, None] * w
            affine.w[column.place] = 0
            bias += w * ((column.edges[0] - mean) + (column.edges[-1] - column.edges[0]) / 2)
        affine.b[...] = bias
