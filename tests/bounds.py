"""Comparisons: bit for bit, and within the bounds of `handnn.reference.bounds`."""

from __future__ import annotations

import numpy as np

from handnn.reference.bounds import assert_within, of_sum, without_sum

__all__ = ["assert_same_bits", "assert_within", "of_sum", "without_sum"]


def assert_same_bits(actual, expected, what=""):
    """Require the same dtype, the same shape and the same bytes."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.dtype == expected.dtype, f"{what}: {actual.dtype}, not {expected.dtype}"
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, not {expected.shape}"
    if actual.tobytes() != expected.tobytes():
        np.testing.assert_array_equal(actual, expected, err_msg=f"{what}: not the same bits")
        raise AssertionError(f"{what}: equal numbers, but not the same bits")
