"""LeakyReLU: out = slope·x where x < 0, else x."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import functional
from handnn.layers import LeakyReLU
from handnn.reference.calls import DTYPES, call_of

both_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])

SLOPES = [0.01, 0.3, 0.0, 1.5]


def whole_range(dtype):
    """Inputs beyond the underflow of exp, around 0, and denormal."""
    edge = -np.log(float(np.finfo(dtype).smallest_subnormal)) + 2
    parts = np.linspace(0, edge, 10007), np.linspace(0, 6, 10007), np.logspace(-40, 1, 999)
    x = np.concatenate(parts).astype(dtype)
    return np.concatenate([x, -x])


@both_dtypes
def test_by_hand(dtype):
    layer = LeakyReLU(slope=0.25)
    x = np.array([[-2, -0.5, 0, 3]], dtype)
    assert layer.forward(x).tolist() == [[-0.5, -0.125, 0, 3]]
    assert layer.backward(np.array([[4, 8, 7, 8]], dtype)).tolist() == [[1, 2, 7, 8]]
    assert layer.x is x


@both_dtypes
def test_equals_the_reference_over_the_whole_range(dtype):
    x = whole_range(dtype)
    for variant in ("", "slope", "flat"):
        call_of("leaky_relu_forward", variant).check(dtype, x=x)
        call_of("leaky_relu_backward", variant).check(dtype, dout=x[::-1], x=x)


@both_dtypes
def test_extreme_inputs_do_not_overflow_or_warn(dtype):
    info = np.finfo(dtype)
    x = np.array([np.inf, -np.inf, np.nan, info.max, info.min, 1e4, -1e4, -0.0], dtype)
    with np.errstate(all="raise"):
        out = functional.leaky_relu_forward(x, 0.5)
        dx = functional.leaky_relu_backward(np.ones_like(x), x, 0.5)
    expected = [np.inf, -np.inf, np.nan, info.max, info.min / 2, 1e4, -5e3, 0]
    np.testing.assert_array_equal(out, np.array(expected, dtype))
    assert np.signbit(out[-1]), "-0.0 passes"
    assert dx.tolist() == [1, 0.5, 1, 1, 0.5, 1, 0.5, 1]


@both_dtypes
def test_slope_1_is_the_identity(dtype):
    x = whole_range(dtype)
    np.testing.assert_array_equal(functional.leaky_relu_forward(x, 1), x)


@pytest.mark.parametrize("slope", [-1, -1e-300, np.inf, -np.inf, np.nan])
def test_rejects_slopes_out_of_bounds(slope):
    with pytest.raises(ValueError, match="LeakyReLU: slope must be finite and not negative"):
        LeakyReLU(slope)


@pytest.mark.parametrize("slope", ["a", None, 1j, [0.1]])
def test_rejects_slopes_that_are_not_numbers(slope):
    with pytest.raises(TypeError, match="LeakyReLU: slope must be a number"):
        LeakyReLU(slope)
