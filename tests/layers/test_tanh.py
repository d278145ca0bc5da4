"""Tanh: out = tanh(x)."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import functional
from handnn.layers import Tanh
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
    """tanh(ln 2) = 3/5, derivative 1 - 9/25; tanh(ln 3) = 4/5, derivative 9/25."""
    layer = Tanh()
    out = layer.forward(np.array([[0, np.log(2), -np.log(3)]], dtype))
    assert out[0, 0] == 0
    assert_within(out, [[0, 3 / 5, -4 / 5]], without_sum(np.ones((1, 3)), dtype))
    dx = layer.backward(np.array([[1, 25, -25]], dtype))
    assert dx[0, 0] == 1
    assert_within(dx, [[1, 16, -9]], without_sum(np.full((1, 3), 32), dtype))
    assert layer.out is out


@both_dtypes
def test_equals_the_reference_over_the_whole_range(dtype):
    x = whole_range(dtype)
    call_of("tanh_forward").check(dtype, x=x)
    out = np.clip(x, -1, 1)
    call_of("tanh_backward").check(dtype, dout=np.ones_like(x), out=out)


@both_dtypes
def test_extreme_inputs_do_not_overflow_or_warn(dtype):
    info = np.finfo(dtype)
    x = np.array([np.inf, -np.inf, np.nan, info.max, info.min, 1e4, -1e4, -0.0], dtype)
    with np.errstate(all="raise"):
        out = functional.tanh_forward(x)
        dx = functional.tanh_backward(np.ones_like(x), out)
    assert np.signbit(out[-1]), "tanh(-0.0) is -0.0"
    np.testing.assert_array_equal(out, np.array([1, -1, np.nan, 1, -1, 1, -1, 0], dtype))
    np.testing.assert_array_equal(dx, np.array([0, 0, np.nan, 0, 0, 0, 0, 1], dtype))


@both_dtypes
def test_is_odd_and_at_most_one(dtype):
    x = whole_range(dtype)
    out = functional.tanh_forward(x)
    np.testing.assert_array_equal(out, -functional.tanh_forward(-x))
    assert np.all(abs(out) <= 1)
