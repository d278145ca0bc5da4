"""The protocols of steps around a network, and helpers for their settings."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from handnn.arrays import Array, as_float


class RowStep(Protocol):
    """A step before the network: rows in, rows out, in the dtype of the network."""

    def columns(self, count: int) -> int:
        """Return the number of columns it makes of `count`; ValueError if it cannot take them."""
        ...

    def apply(self, x: Array) -> Array:
        """Return what the step makes of the rows x (N, I), with the bits of the header."""
        ...


class OutputStep(Protocol):
    """A step behind the network: outputs in, answers out, in the dtype of the network."""

    def columns(self, count: int) -> int:
        """Return the number of columns it makes of `count`; ValueError if it cannot take them."""
        ...

    def undo(self, x: Array) -> Array:
        """Return the answers for the outputs x (N, O), with the bits of the header."""
        ...


def rounded(array: Array, dtype: np.dtype[np.floating]) -> Array:
    """Return an array in `dtype`, infinite beyond its range."""
    with np.errstate(all="ignore"):
        return array.astype(dtype)


def of_columns(values: ArrayLike, count: int, name: str) -> Array:
    """Return one number for each column, float64; ValueError for another shape."""
    array = as_float(values, np.float64, name)
    if array.shape not in ((), (count,)):
        raise ValueError(f"{name} must have shape ({count},), but has {array.shape}")
    return np.broadcast_to(array, (count,))
