"""Which rows an epoch has, in which order and in which batches."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from handnn import _core


class BatchSampler(NamedTuple):
    """How the rows of each epoch are drawn and cut into batches."""

    batch_size: int
    rows_per_epoch: int
    seed: int | None
    """Decides the order of the rows; None keeps the order of the data."""
    replacement: bool
    """Whether rows are drawn with replacement."""

    @property
    def steps(self) -> int:
        """The number of batches in an epoch."""
        return -(-self.rows_per_epoch // self.batch_size)

    def order(self, n_rows: int, epoch: int) -> NDArray[np.int64]:
        """Return the indices of an epoch's rows, (rows_per_epoch,), out of `n_rows`."""
        if self.seed is None:
            return np.arange(self.rows_per_epoch)
        if self.replacement:
            return _core.drawn_rows(self.rows_per_epoch, n_rows, self.seed, epoch)
        return row_order(n_rows, self.seed, epoch)[: self.rows_per_epoch]


def row_order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return a permutation of ``range(count)`` that depends on `seed` and `epoch` only."""
    return _core.row_order(count, seed, epoch)
