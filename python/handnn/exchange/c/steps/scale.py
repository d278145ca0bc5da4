"""Scale: standardize columns, or convert outputs back to their units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from handnn.arrays import Array, as_float
from handnn.exchange.c.steps.row_step import of_columns, rounded


@dataclass(frozen=True, eq=False)
class Scale:
    """Standardize columns: ``out = (x - mean) / scale``, rounded twice.

    x, out (N, I); mean and scale (I,) or one number, rounded to the dtype of the network. Mean 0
    and scale 1 leave a column unchanged.

    Raises:
        ValueError: If a number is not finite, or a scale is 0.

    Examples:
        >>> from handnn.exchange.c import Scale
        >>> Scale([20, 0], [8, 1]).apply(np.array([[36.0, 3.0]]))
        array([[2., 3.]])
    """

    mean: ArrayLike
    scale: ArrayLike

    def __post_init__(self) -> None:
        """Check the numbers; their shape is checked when the number of columns is known."""
        for name, values in (("mean", self.mean), ("scale", self.scale)):
            _check(as_float(values, np.float64, f"Scale: {name}"), name)

    def columns(self, count: int) -> int:
        """Return I."""
        self.arrays(count, np.dtype(np.float64))
        return count

    def arrays(self, count: int, dtype: np.dtype[np.floating]) -> tuple[Array, Array]:
        """Return mean (I,) and scale (I,) in dtype; ValueError if they cannot scale there."""
        found = []
        for name, values in (("mean", self.mean), ("scale", self.scale)):
            array = rounded(of_columns(values, count, f"Scale: {name}"), dtype)
            _check(array, name)
            found.append(array)
        return found[0], found[1]

    def apply(self, x: Array) -> Array:
        """Return (x - mean) / scale."""
        mean, scale = self.arrays(x.shape[1], x.dtype)
        with np.errstate(all="ignore"):
            return (x - mean) / scale

    def undo(self, x: Array) -> Array:
        """Return x·scale + mean, rounded twice."""
        mean, scale = self.arrays(x.shape[1], x.dtype)
        with np.errstate(all="ignore"):
            return x * scale + mean


def _check(array: Array, name: str) -> None:
    """Raise ValueError for a mean or scale that is not finite, and for a scale of 0."""
    if name == "mean" and not np.isfinite(array).all():
        raise ValueError(f"Scale: mean must be finite, but is {array!s:.80}")
    if name == "scale" and not (np.isfinite(array).all() and array.all()):
        raise ValueError(f"Scale: scale must be finite and not 0, but is {array!s:.80}")
