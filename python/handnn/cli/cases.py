"""What the kernels are compared on: cases, and random arrays to make them of.

A sum of K terms may differ by 2·eps·K·Σ|terms|, a formula without a sum by 4·eps of its value, and
what only copies by nothing. The NumPy side is computed in float64 whatever the kernel's dtype is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

SIZES = (1, 3, 4, 7, 8, 9, 15, 16, 17, 33)  # around the edges of vectors of 4, 8 and 16


class Case(NamedTuple):
    """One call of a kernel: what it gave, what NumPy gives, and how far apart they may be."""

    what: str
    got: Any
    expected: Any
    bound: Any


class Draw:
    """Random arrays of one dtype, with a twin in float64 for NumPy's formula."""

    def __init__(self, dtype: str, seed: int = 0) -> None:
        self.dtype = np.dtype(dtype)
        self.eps = float(np.finfo(self.dtype).eps)
        self._rng = np.random.default_rng(seed)

    def __call__(self, *shape: int) -> tuple[Array, Array]:
        """Return an array drawn from N(0, 3²), and its twin."""
        array = self._rng.normal(scale=3, size=shape).astype(self.dtype)
        return array, array.astype(np.float64)

    def sum_bound(self, terms: int, magnitude: Any) -> Any:
        """Return the bound for a sum of `terms` terms with Σ|terms| = `magnitude`."""
        return 2 * self.eps * terms * magnitude
