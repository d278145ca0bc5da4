"""How far two correct answers can lie apart, derived from epsilon and the length of the sum.

A sum of K rounded terms is off by at most about K·eps/2·Σ|terms|, and its terms by as much again
when each is itself a product; the kernel and the reference each pay that once: 2·eps·K·Σ|terms|.
Without a sum a brick rounds at most four times on either side: 4·eps relative, where no number's
rounding is smaller than that of the smallest normal one.
"""

from __future__ import annotations

import numpy as np


def of_sum(magnitude, terms, dtype):
    """The bound for a sum of `terms` terms whose absolute values add up to `magnitude`."""
    return 2 * np.finfo(dtype).eps * terms * np.asarray(magnitude, dtype=np.float64)


def without_sum(expected, dtype):
    """The bound for a value that is a few roundings away from its inputs."""
    info = np.finfo(dtype)
    return 4 * info.eps * np.maximum(np.abs(expected), info.tiny)


def assert_within(actual, expected, bound, what=""):
    """NaN where NaN is expected, the same infinities, and everything else within the bound."""
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


def assert_same_bits(actual, expected, what=""):
    """The same dtype, the same shape and the same bytes."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.dtype == expected.dtype, f"{what}: {actual.dtype}, not {expected.dtype}"
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, not {expected.shape}"
    if actual.tobytes() != expected.tobytes():
        np.testing.assert_array_equal(actual, expected, err_msg=f"{what}: not the same bits")
        raise AssertionError(f"{what}: equal numbers, but not the same bits")
