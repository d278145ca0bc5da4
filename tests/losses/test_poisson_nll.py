"""PoissonNLL: the mean of exp(pre) - y·pre."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import SGD, PoissonNLL, Trainer, mlp
from tests.losses.losses import assert_row_refused

both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


@both_dtypes
def test_by_hand(dtype):
    """The rates are 1 and 2 beside the counts 1 and 3: 1 - 0 and 2 - 3·log 2; slopes 0 and -1."""
    loss = PoissonNLL()
    value = loss.forward(np.array([[0, np.log(2)]], dtype), np.array([[1, 3]], dtype))
    eps = float(np.finfo(dtype).eps)
    assert value == pytest.approx((3 - 3 * np.log(2)) / 2, abs=4 * eps)
    np.testing.assert_allclose(loss.backward(), [[0, -0.5]], atol=2 * eps)


@both_dtypes
def test_log_rates_of_a_thousand(dtype):
    """A rate of 0 costs a thousand for every event there was; one of exp(1000) is no number."""
    loss = PoissonNLL()
    assert loss.forward(np.array([[-1000, -1000]], dtype), [[0, 3]]) == 1500
    assert loss.backward().tolist() == [[0, -1.5]]
    assert loss.forward(np.array([[1000]], dtype), [[3]]) == np.inf
    assert loss.backward().tolist() == [[np.inf]]


def test_what_is_learnt_is_the_logarithm_of_the_mean():
    y = np.random.default_rng(0).poisson(3.0, 500)
    network = mlp([1, 1], rng=0, dtype="float64")
    Trainer(network, PoissonNLL(), SGD(0.1), rng=0).fit(np.zeros((500, 1)), y, 60, 50)
    rate = np.exp(network.predict(np.zeros((1, 1))))
    np.testing.assert_allclose(rate, [[y.mean()]], rtol=0.03)


@pytest.mark.parametrize("bad", [-1, -1e-300, np.nan, np.inf, -np.inf])
def test_targets_are_finite_and_not_negative(bad):
    row = np.ones(6)
    row[5] = bad
    message = f"has {bad:g}: targets must be finite and not negative"
    assert_row_refused("PoissonNLL()", row, message)
