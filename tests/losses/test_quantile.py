"""Quantile: the pinball loss."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import MAE, SGD, Quantile, Trainer, functional, mlp
from tests.bounds import assert_same_bits
from tests.losses.losses import assert_fit_refuses, assert_targets_refused

both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


@both_dtypes
def test_by_hand(dtype):
    """e = y - pre is 2, -2, 0 and 1, for the quantiles 1/4 and 3/4 in turn.

    The terms are 2/4, 2/4, 0 and 3/4; the slopes -q where e is not negative, and 1 - q below.
    """
    pre, y = np.array([[1, 5], [1, 0]], dtype), np.array([[3], [1]], dtype)
    loss = Quantile([0.25, 0.75])
    assert loss.forward(pre, y) == 1.75 / 4
    assert (4 * loss.backward()).tolist() == [[-0.25, 0.25], [-0.25, -0.75]]
    assert loss.forward(pre, y, [1, 2]) == 2.5 / 4
    assert (4 * loss.backward()).tolist() == [[-0.25, 0.25], [-0.5, -1.5]]


@both_dtypes
def test_columns_of_a_target_are_consecutive(dtype):
    """pre (1, 4) for y (1, 2): two quantiles of the first target, then two of the second."""
    pre, y = np.array([[0, 0, 0, 0]], dtype), np.array([[4, -4]], dtype)
    loss = Quantile([0.25, 0.75])
    assert loss.forward(pre, y) == (1 + 3 + 3 + 1) / 4
    assert (4 * loss.backward()).tolist() == [[-0.25, -0.75, 0.75, 0.25]]


def test_the_median_is_half_of_mae():
    pre, y = np.random.default_rng(0).normal(size=(2, 9, 5))
    assert Quantile(0.5).forward(pre, y) == pytest.approx(MAE().forward(pre, y) / 2, rel=1e-15)


def test_is_minimized_by_the_quantiles():
    """A constant network learns the quantiles of 999 evenly spaced numbers from 0 to 1."""
    y = np.arange(1, 1000) / 1000
    network = mlp([1, 3], rng=0, dtype="float64")
    trainer = Trainer(network, Quantile(), SGD(0.02), rng=0)
    trainer.fit(np.zeros((999, 1)), y, epochs=300, batch_size=100)
    np.testing.assert_allclose(network.predict(np.zeros((1, 1)))[0], [0.1, 0.5, 0.9], atol=0.02)


BAD = [[], [0.0], [1.0], [0.5, 1.5], [-0.1], [np.nan], [[0.5]]]


@pytest.mark.parametrize("quantiles", BAD, ids=repr)
def test_rejects_quantiles_outside_0_to_1(quantiles):
    message = "^Quantile: quantiles must be numbers between 0 and 1"
    with pytest.raises(ValueError, match=message):
        Quantile(quantiles)
    for function in (functional.quantile_forward, functional.quantile_backward):
        with pytest.raises(ValueError, match=rf"^{function.__name__}: .*quantiles"):
            function(np.zeros((2, 2)), np.zeros((2, 1)), quantiles)
    spoilt = Quantile(0.5)
    spoilt.quantiles = quantiles
    assert_fit_refuses(spoilt, np.zeros((20, 6)), message)


@pytest.mark.parametrize("quantiles", ["0.5", None, [None], 1j])
def test_rejects_quantiles_that_are_not_numbers(quantiles):
    with pytest.raises(TypeError, match="^Quantile: quantiles must hold real numbers"):
        Quantile(quantiles)
    for function in (functional.quantile_forward, functional.quantile_backward):
        with pytest.raises(TypeError, match=rf"^{function.__name__}: quantiles"):
            function(np.zeros((2, 2)), np.zeros((2, 2)), quantiles)


def test_rejects_columns_that_are_not_a_multiple_of_the_quantiles():
    message = "7 columns, but must have one for each of 3 quantiles, or a multiple of them"
    for function in (functional.quantile_forward, functional.quantile_backward):
        with pytest.raises(ValueError, match=message):
            function(np.zeros((20, 7)), np.zeros((20, 1)), [0.1, 0.5, 0.9])
    with pytest.raises(ValueError, match=message):
        Quantile().forward(np.zeros((20, 7)), np.zeros(20))
    assert_fit_refuses(Quantile(), np.zeros((20, 1)), message, outputs=7)


@pytest.mark.parametrize("shape", [(20, 1), (20, 6), (20, 3), (20,)], ids=str)
def test_rejects_another_number_of_targets(shape):
    """Six columns and three quantiles require two targets."""
    assert_targets_refused(Quantile(), np.zeros(shape), r"shape .*\(20, 2\)")


@both_dtypes
def test_quantiles_are_converted_to_the_dtype_of_pre(dtype):
    rng = np.random.default_rng(1)
    pre, y = rng.normal(size=(4, 6)).astype(dtype), rng.normal(size=(4, 2)).astype(dtype)
    loss = Quantile()
    loss.forward(pre, y)
    quantiles = np.array([0.1, 0.5, 0.9], dtype)
    assert_same_bits(loss.backward(), functional.quantile_backward(pre, y, quantiles))
