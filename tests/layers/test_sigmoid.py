"""Sigmoid: out = 1 / (1 + exp(-x))."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import Affine, MSELoss, Network, Sigmoid, functional, gradient_check, reference
from handnn.reference.calls import DTYPES
from tests.bounds import assert_same_bits, assert_within, without_sum

both_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


@both_dtypes
def test_by_hand(dtype):
    """sigmoid(0) is 1/2 with derivative 1/4; sigmoid(ln 3) is 3/4 with derivative 3/16."""
    layer = Sigmoid()
    x = np.array([[0, np.log(3), -np.log(3)]], dtype)
    out = layer.forward(x)
    assert out[0, 0] == 0.5
    assert_within(out, [[1 / 2, 3 / 4, 1 / 4]], without_sum(np.ones((1, 3)), dtype))
    dx = layer.backward(np.array([[1, 16, -16]], dtype))
    assert dx[0, 0] == 0.25
    assert_within(dx, [[1 / 4, 3, -3]], without_sum(np.full((1, 3), 4), dtype))
    assert layer.out is out


@both_dtypes
def test_equals_the_reference_over_the_whole_range(dtype):
    info = np.finfo(dtype)
    edge = -np.log(float(info.smallest_subnormal)) + 2
    x = np.concatenate([np.linspace(-edge, edge, 20011), np.logspace(-40, 1, 999)]).astype(dtype)
    x = np.concatenate([x, -x])
    expected = reference.sigmoid_forward(x.astype(np.float64))
    assert_within(functional.sigmoid_forward(x), expected, without_sum(expected, dtype))


@both_dtypes
def test_extreme_inputs_do_not_overflow_or_warn(dtype):
    info = np.finfo(dtype)
    x = np.array([np.inf, -np.inf, np.nan, info.max, info.min, 1e4, -1e4, -0.0], dtype)
    with np.errstate(all="raise"):
        out = functional.sigmoid_forward(x)
    np.testing.assert_array_equal(out, np.array([1, 0, np.nan, 1, 0, 1, 0, 0.5], dtype))
    assert not np.signbit(out[1]), "sigmoid(-inf) is +0"


@both_dtypes
def test_returns_denormal_results(dtype):
    info = np.finfo(dtype)
    x = np.full(37, np.log(float(info.tiny)) - 3, dtype)
    out = functional.sigmoid_forward(x)
    assert np.all((out > 0) & (out < info.tiny))


@both_dtypes
def test_is_monotonic_up_to_rounding(dtype):
    x = np.linspace(-30, 30, 50001).astype(dtype)
    out = functional.sigmoid_forward(x).astype(np.float64)
    assert np.all(np.diff(out) >= -without_sum(out[1:], dtype))
    assert np.all((out >= 0) & (out <= 1))


@both_dtypes
@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 0, 3), (2, 3, 4), (1, 1, 1, 1, 19)])
def test_any_shape(dtype, shape):
    x = np.random.default_rng(5).normal(size=shape).astype(dtype)
    out = functional.sigmoid_forward(x)
    assert isinstance(out, np.ndarray) and out.shape == shape and out.dtype == dtype
    flat = functional.sigmoid_forward(x.reshape(-1))
    assert_same_bits(out.reshape(-1), flat)
    dx = functional.sigmoid_backward(np.ones(shape, dtype), out)
    assert_same_bits(dx.reshape(-1), functional.sigmoid_backward(np.ones(x.size, dtype), flat))


@both_dtypes
def test_an_element_does_not_depend_on_its_position(dtype):
    """Full vectors and masked tails use the same polynomial."""
    x = np.random.default_rng(6).normal(0, 5, 67).astype(dtype)
    out = functional.sigmoid_forward(x)
    alone = [functional.sigmoid_forward(x[k : k + 1]) for k in range(x.size)]
    assert_same_bits(out, np.concatenate(alone))


def test_gradients():
    rng = np.random.default_rng(7)
    network = Network([Affine.random(4, 3, rng=rng, dtype="float64"), Sigmoid()])
    report = gradient_check(network, MSELoss(), rng.normal(size=(6, 4)), rng.normal(size=(6, 3)))
    assert report.passed, report


def test_before_the_first_forward():
    layer = Sigmoid()
    assert layer.out is None and layer.params == {} and layer.grads == {}
    with pytest.raises(RuntimeError, match="forward"):
        layer.backward(np.ones((1, 2)))


def test_scalars_and_lists():
    assert functional.sigmoid_forward(0).tolist() == 0.5
    assert functional.sigmoid_forward([[0.0, 0.0]]).tolist() == [[0.5, 0.5]]
