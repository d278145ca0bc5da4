"""Bins: the bins of a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from handnn.arrays import Array, whole_number
from handnn.exchange.c.steps.row_step import rounded
from handnn.tables.bins import bins


@dataclass(frozen=True, eq=False)
class Bins:
    """Add a column for each bin: ``clip((x - low) / (high - low), 0, 1) - 1/2``.

    edges (B + 1,) ascending; x (N, I) to out (N, I + B), of the column number `column`. Edges are
    rounded to the dtype of the network.

    Raises:
        ValueError: If there are fewer than two edges, or they are not finite or do not ascend.

    Examples:
        >>> from handnn.exchange.c import Bins
        >>> Bins([0.0, 2.0, 4.0]).apply(np.array([[1.0], [4.0]]))
        array([[ 1. ,  0. , -0.5],
               [ 4. ,  0.5,  0.5]])
    """

    edges: Sequence[float]
    column: int = 0

    def __post_init__(self) -> None:
        """Check the edges."""
        edges = np.asarray(self.edges, np.float64)
        if edges.ndim != 1 or len(edges) < 2 or not np.isfinite(edges).all():
            raise ValueError("Bins: edges must be two or more finite numbers")
        if not (np.diff(edges) > 0).all():
            raise ValueError("Bins: edges must be in ascending order")
        whole_number(self.column, "Bins: column", 0)

    def columns(self, count: int) -> int:
        """Return I + B."""
        whole_number(self.column, "Bins: column", 0, count - 1)
        return count + len(self.edges) - 1

    def rounded(self, dtype: np.dtype[np.floating]) -> Array:
        """Return the edges in dtype; ValueError if one is too large for it."""
        found = rounded(np.asarray(self.edges, np.float64), dtype)
        if not np.isfinite(found).all():
            raise ValueError(f"Bins: edges are too large for {dtype}")
        return found

    def apply(self, x: Array) -> Array:
        """Return x and the bins."""
        return np.hstack([x, bins(x[:, self.column], self.rounded(x.dtype))])
