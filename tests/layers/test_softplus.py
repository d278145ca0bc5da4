"""Softplus: out = log(1 + exp(x))."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import functional
from handnn.layers import Softplus
from handnn.reference.calls import DTYPES, call_of
from tests.bounds import assert_same_bits, assert_within, without_sum

both_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


def whole_range(dtype):
    """Inputs beyond the underflow of exp, around 0, and denormal."""
    edge = -np.log(float(np.finfo(dtype).smallest_subnormal)) + 2
    parts = np.linspace(0, edge, 10007), np.linspace(0, 6, 10007), np.logspace(-40, 1, 999)
    x = np.concatenate(parts).astype(dtype)
    return np.concatenate([x, -x])


@both_dtypes
def test_by_hand(dtype):
    """log(1 + 3) = 2 ln 2 at ln 3, derivative 3/4; log(1 + 1/3) at -ln 3, derivative 1/4."""
    layer = Softplus()
    x = np.array([[0, np.log(3), -np.log(3)]], dtype)
    expected = [[np.log(2), 2 * np.log(2), np.log(4 / 3)]]
    assert_within(layer.forward(x), expected, without_sum(np.ones((1, 3)), dtype))
    dx = layer.backward(np.array([[2, 4, 4]], dtype))
    assert_within(dx, [[1, 3, 1]], without_sum(np.ones((1, 3)), dtype))
    assert layer.x is x


@both_dtypes
def test_equals_the_reference_over_the_whole_range(dtype):
    x = whole_range(dtype)
    call_of("softplus_forward").check(dtype, x=x)
    call_of("softplus_backward").check(dtype, dout=np.ones_like(x), x=x)


@both_dtypes
def test_extreme_inputs_do_not_overflow_or_warn(dtype):
    info = np.finfo(dtype)
    x = np.array([np.inf, -np.inf, np.nan, info.max, info.min, 1e4, -1e4, -0.0], dtype)
    with np.errstate(all="raise"):
        out = functional.softplus_forward(x)
        dx = functional.softplus_backward(np.ones_like(x), x)
    expected = [np.inf, 0, np.nan, info.max, 0, 1e4, 0, np.log(dtype(2))]
    np.testing.assert_array_equal(out, np.array(expected, dtype))
    np.testing.assert_array_equal(dx, np.array([1, 0, np.nan, 1, 0, 1, 0, 0.5], dtype))


@both_dtypes
def test_derivative_has_the_bits_of_sigmoid(dtype):
    x = whole_range(dtype)
    dx = functional.softplus_backward(np.ones_like(x), x)
    assert_same_bits(dx, functional.sigmoid_forward(x))
