"""Hold out rows of a streamed file: the same rows in every pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handnn.files.reading.block import Block

MAX_TEST_ROWS = 50_000
"""The largest number of rows that are held out."""

STREAM_KEY = 0x68616E64
"""Added to the seed, so that these draws are independent of data drawn with the same seed."""


@dataclass(frozen=True)
class HeldOut:
    """The rows of a streamed file that score the model.

    The seed and the block determine a random number in [0, 1) for each row. A row is held out if
    its number is below a share, which decreases with the number of rows.
    """

    target: str
    share: float
    seed: int

    def draws(self, number: int, block: Block) -> NDArray[np.float64]:
        """Return the random numbers of the rows of block `number`."""
        return np.random.default_rng([self.seed, number, STREAM_KEY]).random(len(block.places))

    def share_of(self, n_rows: int) -> float:
        """Return the share of `n_rows` rows that is held out."""
        return min(self.share, MAX_TEST_ROWS / n_rows)

    def training(self, number: int, block: Block, n_rows: int) -> NDArray[np.bool_]:
        """Return a mask of the rows of a block that are certainly training rows, after `n_rows`
        rows.

        More rows only lower the share, so none of these will be held out. Rows without a target are
        not training rows either, which the caller checks.
        """
        return np.asarray(self.draws(number, block) >= self.share_of(n_rows))
