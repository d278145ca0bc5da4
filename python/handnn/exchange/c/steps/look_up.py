"""LookUp: numeric labels replaced by codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from handnn.arrays import Array, as_float, whole_number
from handnn.exchange.c.steps.row_step import rounded


@dataclass(frozen=True, eq=False)
class LookUp:
    """Replace numeric labels by codes: ``out = index of x in labels``.

    labels (K,), all different in the dtype of the network; x, out (N, I), which differ only in
    `column`. NaN has code K, any other number code K + 1.

    Raises:
        ValueError: If labels is empty, not one-dimensional, or not finite.

    Examples:
        >>> from handnn.exchange.c import LookUp
        >>> LookUp([10115, 53111]).apply(np.array([[53111.0], [np.nan], [1.0]]))
        array([[1.],
               [2.],
               [3.]])
    """

    labels: ArrayLike
    column: int = 0

    def __post_init__(self) -> None:
        """Check the labels."""
        labels = as_float(self.labels, np.float64, "LookUp: labels")
        if labels.ndim != 1 or not len(labels) or not np.isfinite(labels).all():
            raise ValueError(f"LookUp: labels must be finite numbers (K,), but are {labels!s:.80}")
        whole_number(self.column, "LookUp: column", 0)

    def columns(self, count: int) -> int:
        """Return I."""
        whole_number(self.column, "LookUp: column", 0, count - 1)
        return count

    def rounded(self, dtype: np.dtype[np.floating]) -> Array:
        """Return the labels (K,) in dtype; ValueError if two round to the same number."""
        labels = rounded(np.asarray(self.labels, np.float64), dtype)
        if len(np.unique(labels)) < len(labels) or not np.isfinite(labels).all():
            raise ValueError(f"LookUp: labels are not distinct in {dtype}: {labels!s:.80}")
        return labels

    def apply(self, x: Array) -> Array:
        """Return x with codes in the column."""
        column, labels = x[:, self.column], self.rounded(x.dtype)
        is_label = column[:, None] == labels
        codes = np.where(is_label.any(axis=1), is_label.argmax(axis=1), len(labels) + 1)
        out = x.copy()
        out[:, self.column] = np.where(np.isnan(column), len(labels), codes)
        return out
