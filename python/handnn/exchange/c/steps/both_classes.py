"""BothClasses: the probabilities of two classes from one logit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handnn import functional
from handnn.arrays import Array


@dataclass(frozen=True, eq=False)
class BothClasses:
    """Return the probabilities of both classes: ``out = [sigmoid(-x), sigmoid(x)]``.

    x (N, 1), out (N, 2).
    """

    def columns(self, count: int) -> int:
        """Return 2; ValueError unless there is one column."""
        if count != 1:
            raise ValueError(f"BothClasses: x must have 1 column, but has {count}")
        return 2

    def undo(self, x: Array) -> Array:
        """Return the probabilities."""
        return np.hstack([functional.sigmoid_forward(-x), functional.sigmoid_forward(x)])
