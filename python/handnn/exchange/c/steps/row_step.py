"""The protocols of steps around a network, and helpers for their settings."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from handnn.arrays import Array, as_float


class RowStep(Protocol):
    """A step that is applied to rows before the network, in its dtype."""

    def columns(self, count: int) -> int:
        """Return the number of output columns for `count` columns; ValueError if invalid."""
        ...

    def apply(self, x: Array) -> Array:
        """Return the transformed rows x (N, I), with the bits of the header."""
        ...


class OutputStep(Protocol):
    """A step that is applied to the outputs of the network, in its dtype."""

    def columns(self, count: int) -> int:
        """Return the number of output columns for `count` columns; ValueError if invalid."""
        ...

    def undo(self, x: Array) -> Array:
        """Return the predictions of the outputs x (N, O), with the bits of the header."""
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
