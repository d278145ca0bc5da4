"""Blocks: consecutive rows of a table, with their line or row numbers in the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from polars import DataFrame, Series

Places = NDArray[np.int64]
"""(N,) for each row the line, from 1, on which it begins; its number, from 1, in Parquet files."""


class Block(NamedTuple):
    """Rows of a table: their cells, None where one is missing, and their places.

    numbers: the columns known to hold only numbers, as Float64; see `Source.numbers`.
    number: the number of preceding blocks in the file. row: the number of preceding rows. turn: the
        round and the stripe to which the block is assigned; blocks are used in this order.
    """

    frame: DataFrame
    places: Places
    numbers: Mapping[str, Series] = {}
    number: int = 0
    row: int = 0
    turn: tuple[int, int] = (0, 0)


MAX_BLOCKS = 16
"""The largest number of blocks of full size in a round."""


@dataclass(frozen=True)
class Deal:
    """The distribution of blocks among `n` stripes, and the stripes to read."""

    n: int = 1
    own: range = range(1)

    def size(self, size: int) -> int:
        """Return the size of a block: smaller with many stripes, so that a round stays small."""
        return max(1, size * MAX_BLOCKS // max(self.n, MAX_BLOCKS))

    def turn(self, number: int) -> tuple[int, int]:
        """Return the round and the stripe of block `number`, if blocks are assigned one by one."""
        return divmod(number, self.n)

    def takes(self, turn: tuple[int, int]) -> bool:
        """Return whether a block is read."""
        return turn[1] in self.own


ALL = Deal()
"""All blocks, in the order of the file."""
