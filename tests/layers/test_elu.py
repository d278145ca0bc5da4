"""ELU: out = alpha·(exp(x) - 1) where x < 0, else x."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import functional
from handnn.layers import ELU
from handnn.reference.calls import DTYPES, call_of
from tests.bounds import assert_within, without_sum

both_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])

ALPHAS = [1.0, 0.7, 2.0]


def whole_range(dtype):
    """Inputs beyond the underflow of exp, around 0, and denormal."""
    edge = -np.log(float(np.finfo(dtype).smallest_subnormal)) + 2
    parts = np.linspace(0, edge, 10007), np.linspace(0, 6, 10007), np.logspace(-40, 1, 999)
    x = np.concatenate(parts).astype(dtype)
    return np.concatenate([x, -x])


@both_dtypes
def test_by_hand(dtype):
    """With derivatives 2·1/2 at -ln 2 and 1/2 at -ln 4: -1 and 2·(1/4 - 1) = -3/2."""
    layer = ELU(alpha=2)
    out = layer.forward(np.array([[0, 3, -np.log(2), -np.log(4)]], dtype))
    assert out[0, :2].tolist() == [0, 3]
    assert_within(out, [[0, 3, -1, -1.5]], without_sum(np.full((1, 4), 2), dtype))
    dx = layer.backward(np.array([[5, 6, 7, 8]], dtype))
    assert dx[0, :2].tolist() == [5, 6]
    assert_within(dx, [[5, 6, 7, 4]], without_sum(np.full((1, 4), 8 * 4), dtype))
    assert layer.out is out


@both_dtypes
def test_equals_the_reference_over_the_whole_range(dtype):
    x = whole_range(dtype)
    for variant in ("", "alpha"):
        call_of("elu_forward", variant).check(dtype, x=x)
        call_of("elu_backward", variant).check(dtype, dout=x[::-1], out=np.maximum(x, -0.7))


@both_dtypes
def test_extreme_inputs_do_not_overflow_or_warn(dtype):
    info = np.finfo(dtype)
    x = np.array([np.inf, -np.inf, np.nan, info.max, info.min, 1e4, -1e4, -0.0], dtype)
    with np.errstate(all="raise"):
        out = functional.elu_forward(x, 2)
        dx = functional.elu_backward(np.ones_like(x), out, 2)
    expected = [np.inf, -2, np.nan, info.max, -2, 1e4, -2, 0]
    np.testing.assert_array_equal(out, np.array(expected, dtype))
    assert np.signbit(out[-1]), "-0.0 passes"
    assert dx.tolist() == [1, 0, 1, 1, 0, 1, 0, 1]


@pytest.mark.parametrize("alpha", [0, -1, np.inf, np.nan])
def test_rejects_alpha_out_of_bounds(alpha):
    with pytest.raises(ValueError, match="ELU: alpha must be"):
        ELU(alpha)


@pytest.mark.parametrize("alpha", ["a", None, 1j, [0.1]])
def test_rejects_alpha_that_is_not_a_number(alpha):
    with pytest.raises(TypeError, match="ELU: alpha must be a number"):
        ELU(alpha)
