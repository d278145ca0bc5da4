"""OneHot: a column of codes as columns of 0 and 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handnn.arrays import Array, whole_number


@dataclass(frozen=True, eq=False)
class OneHot:
    """Replace a column of codes: ``out = [x without the column, 1 in the code's column]``.

    x (N, I), out (N, I - 1 + count); the other columns keep their order, as with an Embedding. A
    code is an integer from 0 to count - 1; anything else, NaN included, gives 0 in all columns.

    Raises:
        TypeError: If count or column is not an integer.
        ValueError: If count is below 1, or column is negative.

    Examples:
        >>> from handnn.exchange.c import OneHot
        >>> OneHot(3).apply(np.array([[1.0, 8.0]]))
        array([[8., 0., 1., 0.]])
    """

    count: int
    column: int = 0

    def __post_init__(self) -> None:
        """Check the settings that do not depend on the number of columns."""
        whole_number(self.count, "OneHot: count")
        whole_number(self.column, "OneHot: column", 0)

    def columns(self, count: int) -> int:
        """Return I - 1 + count."""
        whole_number(self.column, "OneHot: column", 0, count - 1)
        return count - 1 + whole_number(self.count, "OneHot: count")

    def apply(self, x: Array) -> Array:
        """Return x without the codes, then a column for each code."""
        codes = x[:, self.column]
        hot = (codes[:, None] == np.arange(self.count)).astype(x.dtype)
        return np.concatenate([np.delete(x, self.column, axis=1), hot], axis=1)
