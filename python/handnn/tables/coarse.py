"""Coarse bins: networks that learn from fewer, wider bins than the columns have.

A bin from e_i to e_j that holds several fine ones is a weighted sum of them,

    input = Σ_b (e_(b+1) - e_b)/(e_j - e_i)·input_b    for b from i to j - 1

so after training its weight becomes weights of the fine bins, and networks with coarse and with
fine bins have the same inputs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import Array
from handnn.layers import Affine
from handnn.tables.bins import BinnedColumn, thinned
from handnn.tables.cells import Floats
from handnn.tables.fewer_inputs import FewerInputs


class CoarseInputs(FewerInputs):
    """Inputs with at most `n_bins` bins of each column, chosen by `bins.thinned`.

    Attributes:
        binned: the columns that have bins, as they are among these inputs.
    """

    def __init__(self, binned: Sequence[BinnedColumn], n_bins: int) -> None:
        self.binned: list[BinnedColumn] = []
        self._columns: list[tuple[BinnedColumn, slice, NDArray[np.intp], Floats]] = []
        self._removed = 0
        columns = sorted(binned, key=lambda column: column.first)
        edges = thinned([column.edges for column in columns], max_each=n_bins)
        for column, some in zip(columns, edges, strict=True):
            starts = np.searchsorted(column.edges, some)
            places = slice(0, 0)
            shares = np.zeros(len(column.edges) - 1)  # if it has no coarse bins
            if some:
                coarse = BinnedColumn(column.place, column.first - self._removed, some)
                self.binned.append(coarse)
                places = coarse.bin_places
                shares = np.diff(column.edges) / np.repeat(np.diff(some), np.diff(starts))
            self._columns.append((column, places, starts[:-1], shares))
            self._removed += len(shares) - len(starts[:-1])

    def transform(self, x: Array) -> Array:
        """Return x (N, I) with the coarse bins in place of the fine ones."""
        if not self._n_fewer:
            return x
        out = x[:, self._kept(x.shape[1])]
        for column, places, starts, shares in self._columns:
            if len(starts):
                weighted = x[:, column.bin_places] * shares
                out[:, places] = np.add.reduceat(weighted, starts, axis=1)
        return out

    def _smaller(self, affine: Affine) -> Affine:
        return Affine(affine.w[self._kept(len(affine.w))], affine.b)

    def _write_back(self, affine: Affine, trained: Affine) -> None:
        affine.w[self._kept(len(affine.w))] = trained.w
        for column, places, starts, shares in self._columns:
            if len(starts):
                n_fine = np.diff([*starts, len(shares)])
                wide = np.repeat(trained.w[places], n_fine, axis=0)
                affine.w[column.bin_places] = shares[:, None] * wide

    def _kept(self, width: int) -> NDArray[np.bool_]:
        """Return which of `width` columns remain: of the bins, the first one in each coarse bin."""
        is_kept = np.ones(width, bool)
        for column, _, starts, _ in self._columns:
            places = is_kept[column.bin_places]
            places[:] = False
            places[starts] = True
        return is_kept

    @property
    def _n_fewer(self) -> int:
        return self._removed
