"""SiLU: out = x·sigmoid(x)."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import functional
from handnn.layers import SiLU
from handnn.reference.calls import DTYPES, call_of
from tests.bounds import assert_within, without_sum

both_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


def whole_range(dtype):
    """Inputs beyond the underflow of exp, around 0, and denormal."""
    edge = -np.log(float(np.finfo(dtype).smallest_subnormal)) + 2
    parts = np.linspace(0, edge, 10007), np.linspace(0, 6, 10007), np.logspace(-40, 1, 999)
    x = np.concatenate(parts).astype(dtype)
    return np.concatenate([x, -x])


@both_dtypes
def test_by_hand(dtype):
    """sigmoid(±ln 3) is 3/4 and 1/4, with derivative 3/16 at both."""
    layer = SiLU()
    ln3 = np.log(3)
    x = np.array([[0, ln3, -ln3]], dtype)
    out = layer.forward(x)
    assert_within(out, [[0, 3 / 4 * ln3, -1 / 4 * ln3]], without_sum(np.full((1, 3), 2), dtype))
    dx = layer.backward(np.full((1, 3), 16, dtype))
    assert dx[0, 0] == 8
    expected = [[8, 12 + 3 * ln3, 4 - 3 * ln3]]
    assert_within(dx, expected, without_sum(np.full((1, 3), 16), dtype))
    assert layer.x is x


@both_dtypes
def test_equals_the_reference_over_the_whole_range(dtype):
    x = whole_range(dtype)
    call_of("silu_forward").check(dtype, x=x)
    call_of("silu_backward").check(dtype, dout=np.ones_like(x), x=x)


@both_dtypes
def test_extreme_inputs_do_not_overflow_or_warn(dtype):
    """Infinity times 0 is NaN, as in PyTorch; large finite inputs are correct."""
    info = np.finfo(dtype)
    x = np.array([np.inf, -np.inf, np.nan, info.max, info.min, 1e4, -1e4, -0.0], dtype)
    with np.errstate(all="raise"):
        out = functional.silu_forward(x)
        dx = functional.silu_backward(np.ones_like(x), x)
    expected = [np.inf, np.nan, np.nan, info.max, 0, 1e4, 0, 0]
    np.testing.assert_array_equal(out, np.array(expected, dtype))
    assert np.signbit(out[-1]), "-0.0 stays -0.0"
    np.testing.assert_array_equal(dx, np.array([np.nan, np.nan, np.nan, 1, 0, 1, 0, 0.5], dtype))
