"""Holding out rows of a file that is streamed: the same ones in every pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handnn.files.reading.csv_file import Block

MOST_TEST = 50_000
"""Rows that score the model."""

OWN = 0x68616E64
"""Makes our draws independent of data that someone has drawn with the same small seed."""


@dataclass(frozen=True)
class HeldOut:
    """Which rows score the model: those whose number from [0, 1), drawn from seed and block, is
    below a share, the smaller the more rows there are.
    """

    target: str
    share: float
    seed: int

    def drawn(self, number: int, block: Block) -> NDArray[np.float64]:
        """Return the numbers of the rows of block `number`."""
        return np.random.default_rng([self.seed, number, OWN]).random(len(block.places))

    def share_of(self, n_rows: int) -> float:
        """Return the share that is held out of so many rows."""
        return min(self.share, MOST_TEST / n_rows)

    def learnt(self, number: int, block: Block, n_rows: int) -> NDArray[np.bool_]:
        """Return which rows may be learnt from while only `n_rows` are known, up to this block.

        The share only falls when there turn out to be more, so that no row that will be held out
        is among them. Rows without a target are not learnt from either.
        """
        there: NDArray[np.bool_] = block.frame[self.target].is_not_null().to_numpy()
        return there & (self.drawn(number, block) >= self.share_of(n_rows))
