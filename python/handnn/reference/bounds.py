"""Bounds of the difference of two correct results, from eps and the number of terms in a sum.

A sum of K rounded terms has an error of at most about K·eps/2·Σ|terms|, and as much again if each
term is itself a product. The kernel and the reference each contribute that much: 2·eps·K·Σ|terms|.
A formula without a sum rounds at most four times on either side: a relative error of 4·eps, where
numbers below the smallest normal one count as that.

Where terms cancel, Σ|terms| is the formula with a plus in place of every minus.
(Higham 2002, "Accuracy and Stability of Numerical Algorithms", sections 3.1 and 4.2.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from handnn.arrays import Array

Bound = NDArray[np.float64]
Bounds = tuple[Bound, ...]
"""The largest accepted distance of each entry, one array for each result of a function."""


def of_sum(magnitude: ArrayLike, terms: int, dtype: DTypeLike) -> Bound:
    """Return the bound for a sum of `terms` terms with Σ|terms| = `magnitude`."""
    eps = float(np.finfo(dtype).eps)
    return 2 * eps * terms * np.asarray(magnitude, np.float64)


def without_sum(expected: ArrayLike, dtype: DTypeLike) -> Bound:
    """Return the bound for a value computed with at most four roundings."""
    info = np.finfo(dtype)
    return 4 * float(info.eps) * np.maximum(np.abs(expected), float(info.tiny))


def no_sum(dtype: DTypeLike, expected: tuple[Array, ...], **arguments: object) -> Bounds:
    """Return the bounds for results computed with a few roundings."""
    return tuple(without_sum(value, dtype) for value in expected)


def exact(dtype: DTypeLike, expected: tuple[Array, ...], **arguments: object) -> Bounds:
    """Return bounds of 0: the function only copies or selects."""
    return tuple(np.zeros(np.shape(value)) for value in expected)


def assert_within(actual: ArrayLike, expected: ArrayLike, bound: ArrayLike, what: str = "") -> None:
    """Raise AssertionError unless every entry of `actual` is within its bound of `expected`.

    NaN must be NaN, and an infinity the same infinity.
    """
    actual = np.asarray(actual, dtype=np.float64)
    expected = np.asarray(expected, dtype=np.float64)
    bound = np.broadcast_to(bound, expected.shape)
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, not {expected.shape}"
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(actual[~finite], expected[~finite], err_msg=what)
    distance = np.abs(actual[finite] - expected[finite])
    if not np.all(distance <= bound[finite]):
        worst = int(np.nanargmax(np.where(np.isnan(distance), np.inf, distance - bound[finite])))
        raise AssertionError(
            f"{what}: entry {np.argwhere(finite)[worst].tolist()} is {actual[finite][worst]!r}, "
            f"expected {expected[finite][worst]!r} within {bound[finite][worst]:.3g}"
        )
