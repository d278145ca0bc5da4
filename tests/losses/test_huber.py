"""Huber: squared error up to delta, absolute error beyond."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import Huber, functional
from tests.losses.losses import assert_fit_refuses

both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


@both_dtypes
@pytest.mark.parametrize(
    ("delta", "loss", "slopes"),
    [
        (1, (0.5 + 1.5 + 0 + 0.125) / 4, [[1, -1], [0, 0.5]]),
        (2, (0.5 + 2 + 0 + 0.125) / 4, [[1, -2], [0, 0.5]]),
        (0.25, (7 + 15 + 0 + 3) / 32 / 4, [[0.25, -0.25], [0, 0.25]]),
    ],
)
def test_by_hand(delta, loss, slopes, dtype):
    """The errors are 1, -2, 0 and 1/2."""
    pre, y = np.array([[2, 0], [5, 1.5]], dtype), np.array([[1, 2], [5, 1]], dtype)
    huber = Huber(delta)
    assert huber.forward(pre, y) == loss
    assert (4 * huber.backward()).tolist() == slopes


def test_is_continuously_differentiable_at_delta():
    """The gradient changes by as little across delta as before it."""
    for delta in (0.3, 1.0, 50.0):
        pre = np.array([[np.nextafter(delta, 0)], [delta], [np.nextafter(delta, np.inf)]])
        values = [functional.huber_forward(row[None], [[0.0]], delta=delta) for row in pre]
        assert np.ptp(values) <= 4 * np.finfo(float).eps * delta**2
        dx = functional.huber_backward(pre, np.zeros((3, 1)), delta=delta)
        assert np.ptp(dx) <= np.spacing(delta)


@both_dtypes
def test_gradient_of_infinite_errors_is_delta(dtype):
    pre = np.array([[np.inf, -np.inf]], dtype)
    loss = Huber(0.5)
    assert loss.forward(pre, np.zeros((1, 2), dtype)) == np.inf
    assert loss.backward().tolist() == [[0.25, -0.25]]


@pytest.mark.parametrize(
    ("delta", "error"),
    [
        *[(0, ValueError), (-1, ValueError), (np.inf, ValueError), (np.nan, ValueError)],
        *[("1", TypeError), (None, TypeError), (True, TypeError), ([1.0], TypeError)],
    ],
    ids=repr,
)
def test_rejects_invalid_delta(delta, error):
    with pytest.raises(error, match="^Huber: delta must be "):
        Huber(delta)
    spoilt = Huber()
    spoilt.delta = delta
    assert_fit_refuses(spoilt, np.zeros((20, 6)), "^Huber: delta must be ", error=error)


@pytest.mark.parametrize("delta", [0, -1, np.inf, np.nan])
def test_functions_reject_invalid_delta(delta):
    for function in (functional.huber_forward, functional.huber_backward):
        with pytest.raises(ValueError, match=rf"^{function.__name__}: delta must be "):
            function([[1.0]], [[0.0]], delta=delta)
