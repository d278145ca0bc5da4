"""The rows of an epoch: their order and their batches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handnn import _core

BatchSampler = _core.BatchSampler
"""How the rows of each epoch are drawn and cut into batches of `batch_size`, the last one shorter.

`seed` decides the order of the rows in each epoch; None keeps the order of the data. With
`replacement` each row is drawn from all rows. `steps` is the number of batches in an epoch, and
``order(n_rows, epoch)`` returns the indices (rows_per_epoch,) of an epoch's rows.
"""


def row_order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return a permutation of ``range(count)`` that depends on `seed` and `epoch` only."""
    return _core.row_order(count, seed, epoch)
