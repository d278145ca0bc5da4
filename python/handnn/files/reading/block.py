"""Blocks: consecutive rows of a table, with their line or row numbers in the file."""

from __future__ import annotations

from collections.abc import Mapping
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
    """

    frame: DataFrame
    places: Places
    numbers: Mapping[str, Series] = {}
