"""PoissonNLL: the mean of exp(pre) - y·pre."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import SGD, PoissonNLL, Trainer, mlp
from tests.losses.losses import assert_row_refused

both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


@both_dtypes
def test_by_hand(dtype):
    """Rates 1 and 2, counts 1 and 3: 1 - 0 and 2 - 3·log 2; derivatives 0 and -1."""
    loss = PoissonNLL()
    value = loss.forward(np.array([[0, np.log(2)]], dtype), np.array([[1, 3]], dtype))
    eps = float(np.finfo(dtype).eps)
    assert value == pytest.approx((3 - 3 * np.log(2)) / 2, abs=4 * eps)
    np.testing.assert_allclose(loss.backward(), [[0, -0.5]], atol=2 * eps)


@both_dtypes
def test_large_log_rates(dtype):
    """A rate of exp(-1000) has a loss of 1000 per event; exp(1000) overflows."""
    loss = PoissonNLL()
    assert loss.forward(np.array([[-1000, -1000]], dtype), [[0, 3]]) == 1500
    assert loss.backward().tolist() == [[0, -1.5]]
    assert loss.forward(np.array([[1000]], dtype), [[3]]) == np.inf
    assert loss.backward().tolist() == [[np.inf]]


def test_is_minimized_by_the_logarithm_of_the_mean():
    y = np.random.default_rng(0).poisson(3.0, 500)
    network = mlp([1, 1], rng=0, dtype="float64")
    Trainer(network, PoissonNLL(), SGD(0.1), rng=0).fit(np.zeros((500, 1)), y, 60, 50)
    rate = np.exp(network.predict(np.zeros((1, 1))))
    np.testing.assert_allclose(rate, [[y.mean()]], rtol=0.03)


@pytest.mark.parametrize("bad", [-1, -1e-300, np.nan, np.inf, -np.inf])
def test_rejects_targets_that_are_negative_or_not_finite(bad):
    row = np.ones(6)
    row[5] = bad
    message = f"has {bad:g}: targets must be finite and not negative"
    assert_row_refused("PoissonNLL()", row, message)
