"""Positions: training on one input for each column with bins instead of one for each bin.

The bins of a row are -1/2, ..., -1/2, a share, 1/2, ..., 1/2 in reverse, so their sum plus B/2 is a
position: the index of the bin plus the share of it. While the networks of a bag are trained, their
first Affine is a `BinnedAffine`, which takes positions and shares w and b with it. The engine
computes the same function in a fraction of the time. Afterwards the Affine is back, so nothing else
has to know.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from handnn.arrays import Array
from handnn.layers import Affine
from handnn.layers.binned_affine import BinnedAffine
from handnn.tables.bins import BinnedColumn
from handnn.tables.fewer_inputs import FewerInputs

MIN_BINS = 8
"""With fewer bins, products of the expanded inputs take no longer than positions."""


def has_many_bins(binned: Sequence[BinnedColumn]) -> bool:
    """Return whether positions save time: columns have at least `MIN_BINS` bins on average.

    Examples:
        >>> from handnn.tables.bins import BinnedColumn
        >>> from handnn.tables.positions import has_many_bins
        >>> few, many = BinnedColumn(0, 2, (0.0, 1.0, 2.0)), BinnedColumn(1, 4, tuple(range(17)))
        >>> has_many_bins([few]), has_many_bins([few, many]), has_many_bins([])
        (False, True, False)
    """
    n_bins = sum(len(column.edges) - 1 for column in binned)
    return bool(binned) and n_bins >= MIN_BINS * len(binned)


class PositionInputs(FewerInputs):
    """Inputs with a position for each column that has bins, or without a trace of its bins.

    binned: the columns that have bins. keeps: whether there are positions. Without them, the bins
    must be 0 in all rows.
    """

    def __init__(self, binned: Sequence[BinnedColumn], *, keeps: bool = True) -> None:
        self._columns = sorted(binned, key=lambda column: column.first)
        self._keeps = keeps

    def transform(self, x: Array) -> Array:
        """Return x (N, I) with a position, or nothing, in place of the bins of each column."""
        if not self._columns:
            return x
        counts = self._counts(x.shape[1])
        is_plain = np.array(counts) == 0
        out = np.empty((len(x), len(counts)), x.dtype)
        out[:, is_plain] = x[:, self._plain(x.shape[1])]
        for at, column in zip(np.flatnonzero(~is_plain), self._columns, strict=self._keeps):
            sums = x[:, column.bin_places].sum(axis=1, dtype=np.float64)
            out[:, at] = sums + counts[at] / 2
        return out

    def _smaller(self, affine: Affine) -> Affine | BinnedAffine:
        n_in = len(affine.w)
        if self._keeps:
            return BinnedAffine(affine.w, affine.b, self._counts(n_in))
        return Affine(affine.w[self._plain(n_in)], affine.b)

    def _write_back(self, affine: Affine, trained: Affine) -> None:
        affine.w[self._plain(len(affine.w))] = trained.w

    def _counts(self, width: int) -> list[int]:
        """Return the number of bins of each column after `transform`, of `width` columns before."""
        counts = [0] * width
        for column in reversed(self._columns):
            counts[column.bin_places] = [len(column.edges) - 1] * self._keeps
        return counts

    def _plain(self, width: int) -> Array:
        """Return which of `width` columns are not bins."""
        is_plain = np.ones(width, bool)
        for column in self._columns:
            is_plain[column.bin_places] = False
        return is_plain

    @property
    def _n_fewer(self) -> int:
        """The number of columns that `transform` saves."""
        return sum(len(column.edges) - 1 - self._keeps for column in self._columns)
