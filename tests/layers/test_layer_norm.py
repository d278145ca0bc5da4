"""LayerNorm: out = (x - mean)·rstd·gamma + beta, row by row."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import (
    Adam,
    Affine,
    LayerNorm,
    MSELoss,
    Network,
    Trainer,
    functional,
    gradient_check,
    reference,
)
from handnn.reference.calls import DTYPES, call_of
from tests.bounds import assert_same_bits, assert_within, without_sum

both_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


@both_dtypes
def test_by_hand(dtype):
    """The mean of 1, 5, 3, 7 is 4, the variance (9 + 1 + 1 + 9) / 4 = 5, and √(5 + 4) = 3."""
    layer = LayerNorm(np.array([3, 3, 6, 3], dtype), np.array([0, 10, 0, 0], dtype), eps=4)
    x = np.array([[1, 5, 3, 7]], dtype)
    out = layer.forward(x)
    assert_within(out, [[-3, 11, -2, 3]], without_sum(np.full((1, 4), 11), dtype))
    assert layer.mean.tolist() == [4] and layer.x is x
    assert_within(layer.rstd, [1 / 3], without_sum([1 / 3], dtype))


@both_dtypes
def test_backward_by_hand(dtype):
    """x_hat is -1, 1/3, -1/3, 1; g = (4, 0, 0, 0) has the mean 1, g·x_hat the mean -1."""
    layer = LayerNorm(np.array([2, 2, 2, 2], dtype), np.zeros(4, dtype), eps=4)
    layer.forward(np.array([[1, 5, 3, 7]], dtype))
    dx = layer.backward(np.array([[2, 0, 0, 0]], dtype))
    expected = np.array([[4 - 1 - 1, 0 - 1 + 1 / 3, 0 - 1 - 1 / 3, 0 - 1 + 1]]) / 3
    assert_within(dx, expected, without_sum(np.ones((1, 4)), dtype))
    assert_within(layer.dgamma, [-2, 0, 0, 0], without_sum([2, 0, 0, 0], dtype))
    assert layer.dbeta.tolist() == [2, 0, 0, 0]


def test_gradients():
    rng = np.random.default_rng(1)
    for columns in (2, 3, 8, 21):
        norm = LayerNorm(rng.normal(size=columns), rng.normal(size=columns))
        network = Network([Affine.random(4, columns, rng=rng, dtype="float64"), norm])
        x, y = rng.normal(size=(5, 4)), rng.normal(size=(5, columns))
        for mode in (network.train(), network.eval()):
            report = gradient_check(mode, MSELoss(), x, y)
            assert report.passed, report


@both_dtypes
def test_long_rows_equal_the_reference(dtype):
    rng = np.random.default_rng(2)
    for loc in (0, 100):
        x, dout = rng.normal(loc, 2, (3, 5000)), rng.normal(size=(3, 5000))
        gamma, beta = rng.normal(size=5000).astype(dtype), rng.normal(size=5000).astype(dtype)
        x, dout = x.astype(dtype), dout.astype(dtype)
        call_of("layer_norm_forward").check(dtype, x=x, gamma=gamma, beta=beta)
        _, mean, rstd = functional.layer_norm_forward(x, gamma, beta)
        call_of("layer_norm_backward").check(
            dtype, dout=dout, x=x, gamma=gamma, mean=mean, rstd=rstd
        )


def test_a_large_mean_does_not_cancel_in_float32():
    """10⁵ ± 1: the mean is correctly rounded, whereas a plain sum has a large error."""
    x = np.random.default_rng(3).normal(1e5, 1, (4, 10_000)).astype(np.float32)
    ones, zeros = np.ones(10_000, np.float32), np.zeros(10_000, np.float32)
    out, mean, _ = functional.layer_norm_forward(x, ones, zeros)
    wide = x.astype(np.float64)
    ulp = np.spacing(np.float32(1e5))
    assert (abs(mean - wide.mean(axis=1)) <= ulp / 2 * 1.01).all()
    expected = reference.layer_norm_forward(wide, ones, zeros)[0]
    assert abs(out - expected).max() < ulp


@both_dtypes
def test_a_constant_row_becomes_beta(dtype):
    beta = np.array([1, -2, 3], dtype)
    layer = LayerNorm(np.ones(3, dtype), beta)
    out = layer.forward(np.array([[0.1] * 3, [1e6] * 3], dtype))
    assert_same_bits(out, np.stack([beta, beta]))
    single = LayerNorm(np.array([5], dtype), np.array([7], dtype))
    assert single.forward(np.array([[3], [-1e30]], dtype)).tolist() == [[7], [7]]
    assert single.backward(np.array([[3], [4]], dtype)).tolist() == [[0], [0]]


@both_dtypes
def test_nan_and_infinity_affect_only_their_row(dtype):
    x = np.random.default_rng(4).normal(size=(4, 33)).astype(dtype)
    x[0, 5], x[1, 32], x[2, 0] = np.nan, np.inf, -np.inf
    layer = LayerNorm.new(33, dtype)
    out = layer.forward(x)
    assert np.isnan(out[:3]).all() and np.isfinite(out[3]).all()
    assert layer.mean[1] == np.inf and layer.mean[2] == -np.inf


@both_dtypes
def test_a_row_has_the_same_bits_alone_and_in_a_batch(dtype):
    rng = np.random.default_rng(5)
    for columns in (1, 10, 16, 33, 100):
        x, dout = (rng.normal(size=(9, columns)).astype(dtype) for _ in range(2))
        layer = LayerNorm(*rng.normal(size=(2, columns)).astype(dtype))
        out, dx = layer.forward(x), layer.backward(dout)
        for n in range(9):
            assert_same_bits(layer.forward(x[n : n + 1]), out[n : n + 1])
            assert_same_bits(layer.backward(dout[n : n + 1]), dx[n : n + 1])


@both_dtypes
def test_zero_rows(dtype):
    layer = LayerNorm.new(3, dtype)
    assert layer.forward(np.empty((0, 3), dtype)).shape == (0, 3)
    assert layer.backward(np.empty((0, 3), dtype)).shape == (0, 3)
    assert layer.dgamma.tolist() == layer.dbeta.tolist() == [0, 0, 0]


@both_dtypes
def test_new_is_the_identity_and_uses_the_given_arrays(dtype):
    layer = LayerNorm.new(3, dtype)
    assert layer.gamma.tolist() == [1, 1, 1] and layer.beta.tolist() == [0, 0, 0]
    assert layer.gamma.dtype == layer.beta.dtype == dtype
    gamma, beta = np.ones(3, dtype), np.zeros(3, dtype)
    layer = LayerNorm(gamma, beta)
    assert layer.params["gamma"] is gamma and layer.params["beta"] is beta
    assert layer.grads == {"gamma": None, "beta": None} and layer.buffers == {}
    assert layer.sizes == {"in": 3, "out": 3} and repr(layer) == "LayerNorm 3→3 eps=1e-05"
    with pytest.raises(RuntimeError, match=r"LayerNorm\.backward: call forward first"):
        layer.backward(np.ones((1, 3), dtype))


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ((np.ones((1, 3)), np.ones(3)), ValueError, r"gamma must have 1 dimension \(O,\), but"),
        ((np.ones(3), np.ones(2)), ValueError, r"beta has shape \(2,\) but gamma has shape \(3,\)"),
        ((np.ones(3), np.ones(3, complex)), TypeError, "beta must hold real numbers"),
        ((np.ones(3), np.ones(3), 0), ValueError, "eps must be above 0"),
        ((np.ones(3), np.ones(3), -1.0), ValueError, "eps must be finite and not negative"),
        ((np.ones(3), np.ones(3), "small"), TypeError, "eps must be a number"),
    ],
)
def test_rejects_invalid_arguments(arguments, kind, words):
    with pytest.raises(kind, match=f"LayerNorm: {words}"):
        LayerNorm(*arguments)


def test_rejects_x_of_another_width():
    with pytest.raises(ValueError, match="gamma has 3 elements but x has 4 columns"):
        LayerNorm.new(3).forward(np.ones((2, 4)))
    with pytest.raises(ValueError, match="columns must be at least 1"):
        LayerNorm.new(0)
    with pytest.raises(TypeError, match="dtype must be float32 or float64"):
        LayerNorm.new(3, "int32")


def test_learns_and_is_saved(tmp_path):
    import handnn

    rng = np.random.default_rng(6)
    x = rng.normal(size=(40, 4))
    network = Network([LayerNorm.new(4), Affine.random(4, 1, rng=1)])
    before = network.layers[0].gamma.copy()
    Trainer(network, MSELoss(), Adam(0.01), rng=1).fit(x, x[:, 0] ** 2, epochs=3, batch_size=13)
    assert not np.array_equal(network.layers[0].gamma, before)
    network.save(tmp_path / "network")
    assert_same_bits(handnn.load(tmp_path / "network").predict(x), network.predict(x))
    wide = network.astype("float64").layers[0]
    assert wide.gamma.dtype == np.float64
    assert wide.gamma.tolist() == network.layers[0].gamma.tolist()
