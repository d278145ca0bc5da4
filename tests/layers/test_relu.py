"""ReLU: out = 0 where x < 0, else x."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import Affine, MSELoss, Network, ReLU, functional, gradient_check, reference
from handnn.reference.calls import DTYPES
from tests.bounds import assert_same_bits

both_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


@both_dtypes
def test_by_hand(dtype):
    layer = ReLU()
    x = np.array([[-2, -0.5, 0, 3]], dtype)
    assert layer.forward(x).tolist() == [[0, 0, 0, 3]]
    assert layer.mask.tolist() == [[True, True, False, False]]
    assert layer.backward(np.array([[5, 6, 7, 8]], dtype)).tolist() == [[0, 0, 7, 8]]


def specials(dtype):
    """Special numbers of all kinds, enough for full vectors and a tail."""
    info = np.finfo(dtype)
    kinds = [0.0, -0.0, 1, -1, np.nan, np.inf, -np.inf, info.tiny, -info.tiny, info.max, info.min]
    kinds += [info.smallest_subnormal, -info.smallest_subnormal]
    return np.array(kinds * 5, dtype)


@both_dtypes
def test_special_numbers_equal_the_reference(dtype):
    """-0, NaN and denormals pass through, and nothing is rounded."""
    x = specials(dtype)
    dout = np.arange(1, x.size + 1).astype(dtype)
    assert_same_bits(functional.relu_forward(x), reference.relu_forward(x))
    assert_same_bits(functional.relu_backward(dout, x), reference.relu_backward(dout, x))
    assert_same_bits(functional.relu_backward(x, dout), reference.relu_backward(x, dout))


@both_dtypes
def test_negative_entries_block_nan_and_infinity(dtype):
    dout = np.array([np.nan, np.inf, -np.inf] * 9, dtype)
    assert functional.relu_backward(dout, np.full(27, -1, dtype)).tolist() == [0.0] * 27


@both_dtypes
def test_backward_does_not_overwrite_dout(dtype):
    layer = ReLU()
    layer.forward(np.array([[-1, 1]], dtype))
    dout = np.array([[3, 4]], dtype)
    layer.backward(dout)
    assert dout.tolist() == [[3, 4]]


@both_dtypes
@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 0, 3), (2, 3, 4), (1, 1, 1, 1, 19)])
def test_any_shape(dtype, shape):
    x = np.random.default_rng(8).normal(size=shape).astype(dtype)
    dout = np.random.default_rng(9).normal(size=shape).astype(dtype)
    out = functional.relu_forward(x)
    assert isinstance(out, np.ndarray)
    assert_same_bits(out, np.asarray(reference.relu_forward(x)))
    dx = functional.relu_backward(dout, x)
    assert_same_bits(dx, np.asarray(reference.relu_backward(dout, x)))


def test_gradients():
    rng = np.random.default_rng(10)
    network = Network([Affine.random(4, 5, rng=rng, dtype="float64"), ReLU()])
    report = gradient_check(network, MSELoss(), rng.normal(size=(6, 4)), rng.normal(size=(6, 5)))
    assert report.passed, report


def test_before_the_first_forward():
    layer = ReLU()
    assert layer.mask is None and layer.params == {} and layer.grads == {}
    with pytest.raises(RuntimeError, match="forward"):
        layer.backward(np.ones((1, 2)))
