"""GaussianNLL: the mean of (s + (m - y)²·exp(-s)) / 2, s the logarithm of the variance."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import Adam, GaussianNLL, Trainer, functional, mlp
from tests.losses.losses import assert_fit_refuses, assert_targets_refused

both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


@both_dtypes
def test_by_hand(dtype):
    """Errors of -2 with variance 1, and of 2 with variance 4.

    The terms are (0 + 4) / 2 and (log 4 + 1) / 2; the slopes -2 and 2/4 of the means, and
    (1 - 4) / 2 and (1 - 1) / 2 of the log-variances.
    """
    loss = GaussianNLL()
    pre, y = np.array([[1, 0], [3, np.log(4)]], dtype), np.array([[3], [1]], dtype)
    eps = float(np.finfo(dtype).eps)
    assert loss.forward(pre, y) == pytest.approx((2.5 + np.log(2)) / 2, rel=4 * eps)
    expected = [[-1, -0.75], [0.25, 0]]
    np.testing.assert_allclose(loss.backward(), expected, rtol=4 * eps, atol=2 * eps)


@both_dtypes
def test_means_precede_the_log_variances(dtype):
    """Two targets: the errors are 1 and 2, their variances 1 and 4."""
    pre = np.array([[1, 2, 0, np.log(4)]], dtype)
    loss = GaussianNLL()
    value = loss.forward(pre, np.zeros((1, 2), dtype))
    eps = float(np.finfo(dtype).eps)
    assert value == pytest.approx((0.5 + (np.log(4) + 1) / 2) / 2, rel=4 * eps)
    np.testing.assert_allclose(loss.backward(), [[0.5, 0.25, 0, 0]], rtol=4 * eps, atol=2 * eps)


@both_dtypes
def test_large_means_and_log_variances(dtype):
    """Errors vanish for a variance of exp(1000) and overflow for exp(-1000)."""
    loss = GaussianNLL()
    assert loss.forward(np.array([[1000, 1000]], dtype), np.array([[-1000]], dtype)) == 500
    assert loss.backward().tolist() == [[0, 0.5]]
    assert loss.forward(np.array([[1, -1000]], dtype), np.array([[0]], dtype)) == np.inf
    assert loss.backward().tolist() == [[np.inf, -np.inf]]


def test_is_minimized_by_mean_and_variance():
    y = np.random.default_rng(0).normal(2, 0.5, 1000)
    network = mlp([1, 2], rng=0, dtype="float64")
    Trainer(network, GaussianNLL(), Adam(0.02), rng=0).fit(np.zeros((1000, 1)), y, 60, 100)
    mean, log_variance = network.predict(np.zeros((1, 1)))[0]
    np.testing.assert_allclose([mean, np.exp(log_variance)], [y.mean(), y.var()], rtol=0.05)


def test_rejects_an_odd_number_of_columns():
    message = "pre has 5 columns, but must have two for each of y_true's"
    for function in (functional.gaussian_nll_forward, functional.gaussian_nll_backward):
        with pytest.raises(ValueError, match=rf"^{function.__name__}: {message}"):
            function(np.zeros((20, 5)), np.zeros((20, 2)))
    assert_fit_refuses(GaussianNLL(), np.zeros((20, 2)), message, outputs=5)


@pytest.mark.parametrize("shape", [(20, 6), (20, 1), (20,)], ids=str)
def test_rejects_targets_of_another_shape(shape):
    assert_targets_refused(GaussianNLL(), np.zeros(shape), r"shape .*\(20, 3\)")


def test_accepts_flat_targets():
    pre, y = np.random.default_rng(0).normal(size=(7, 2)), np.arange(7.0)
    loss = GaussianNLL()
    assert loss.forward(pre, y) == loss.forward(pre, y[:, None])
    assert loss.y_true.shape == (7, 1)
