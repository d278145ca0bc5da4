"""Softmax: out = exp(x) / Σ_o exp(x)."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import Affine, MSELoss, Network, Softmax, functional, gradient_check
from handnn.reference.calls import DTYPES, call_of
from tests.bounds import assert_same_bits, assert_within, without_sum

both_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


@both_dtypes
def test_by_hand(dtype):
    """exp of log 1, log 2 and log 5 is 1, 2 and 5, with the sum 8."""
    layer = Softmax()
    out = layer.forward(np.log(np.array([[1, 2, 5], [4, 4, 8]], dtype)))
    expected = np.array([[0.125, 0.25, 0.625], [0.25, 0.25, 0.5]])
    assert_within(out, expected, without_sum(expected, dtype))
    assert layer.out is out and out.dtype == dtype


@both_dtypes
def test_backward_by_hand(dtype):
    """Two equal entries become 1/2, and dx is a quarter of the difference of dout."""
    layer = Softmax()
    assert layer.forward(np.array([[7, 7]], dtype)).tolist() == [[0.5, 0.5]]
    assert layer.backward(np.array([[3, 1]], dtype)).tolist() == [[0.5, -0.5]]
    assert layer.backward(np.array([[3, 3]], dtype)).tolist() == [[0, 0]]


def test_gradients():
    rng = np.random.default_rng(1)
    for columns in (1, 2, 7, 20):
        network = Network([Affine.random(4, columns, rng=rng, dtype="float64"), Softmax()])
        x, y = rng.normal(size=(6, 4)), rng.normal(size=(6, columns))
        report = gradient_check(network, MSELoss(), x, y)
        assert report.passed, report


@both_dtypes
def test_long_rows_equal_the_reference(dtype):
    rng = np.random.default_rng(2)
    x, dout = rng.normal(0, 20, (3, 5000)).astype(dtype), rng.normal(size=(3, 5000)).astype(dtype)
    call_of("softmax_forward").check(dtype, x=x)
    call_of("softmax_backward").check(dtype, dout=dout, out=functional.softmax_forward(x))


@both_dtypes
def test_large_entries_do_not_overflow(dtype):
    info = np.finfo(dtype)
    x = np.array([[info.max, info.max, info.min], [1e4, 1e4 - 1, -1e4], [-1e4, -1e4, -1e4]], dtype)
    with np.errstate(all="raise"):
        out = Softmax().forward(x)
    e = float(np.exp(-1.0))
    expected = np.array([[0.5, 0.5, 0], [1 / (1 + e), e / (1 + e), 0], [1 / 3] * 3])
    assert_within(out, expected, without_sum(expected, dtype))


@both_dtypes
def test_nan_and_infinity_affect_only_their_row(dtype):
    x = np.zeros((5, 40), dtype)
    x[0, 17], x[1, 39], x[2, 0] = np.nan, np.inf, -np.inf
    x[3] = -np.inf
    out = Softmax().forward(x)
    assert np.isnan(out[[0, 1, 3]]).all()
    assert out[2, 0] == 0 and (out[2, 1:] == dtype(1) / dtype(39)).all()
    assert (out[4] == dtype(1) / dtype(40)).all()


@both_dtypes
def test_a_single_column_becomes_one(dtype):
    layer = Softmax()
    assert layer.forward(np.array([[-3], [1e30]], dtype)).tolist() == [[1], [1]]
    assert layer.backward(np.array([[5], [-2]], dtype)).tolist() == [[0], [0]]


@both_dtypes
@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (0, 0)])
def test_empty_input(dtype, shape):
    layer = Softmax()
    assert layer.forward(np.empty(shape, dtype)).shape == shape
    assert layer.backward(np.empty(shape, dtype)).shape == shape


@both_dtypes
def test_a_row_has_the_same_bits_alone_and_in_a_batch(dtype):
    rng = np.random.default_rng(3)
    for columns in (1, 10, 16, 33, 100):
        x, dout = (rng.normal(size=(9, columns)).astype(dtype) for _ in range(2))
        batch, layer = Softmax(), Softmax()
        out, dx = batch.forward(x), batch.backward(dout)
        for n in range(9):
            assert_same_bits(layer.forward(x[n : n + 1]), out[n : n + 1])
            assert_same_bits(layer.backward(dout[n : n + 1]), dx[n : n + 1])


def test_keeps_the_width_of_its_input():
    network = Network([Affine.random(4, 3, rng=0), Softmax()])
    assert network.sizes == {"in": 4, "out": 3}
    with pytest.raises(ValueError, match=r"expects 4 columns, but layer 1 returns 3"):
        Network([*network.layers, Affine.random(4, 3)])


def test_rejects_invalid_arguments():
    layer = Softmax()
    with pytest.raises(RuntimeError, match=r"Softmax\.backward: call forward first"):
        layer.backward(np.ones((1, 2)))
    with pytest.raises(ValueError, match="softmax_forward: x must have 2 dimensions"):
        layer.forward(np.ones(3))
    layer.forward(np.ones((2, 3)))
    with pytest.raises(ValueError, match="softmax_backward: dout has shape"):
        layer.backward(np.ones((3, 2)))
