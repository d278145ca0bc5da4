"""RMSProp: gradients over the root of the running mean of their squares, as in PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import RMSProp, functional
from handnn.reference.calls import DTYPES

both_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


@both_dtypes
def test_by_hand(dtype):
    """The square is 16·3/4 + 4²/4 = 16; the step 4/(4 + 4), halved."""
    param, square = np.ones(1, dtype), np.full(1, 16, dtype)
    functional.rmsprop_update(param, np.full(1, 4, dtype), square, lr=0.5, alpha=0.75, eps=4)
    assert (square[0], param[0]) == (16, 0.75)


@both_dtypes
def test_momentum_by_hand(dtype):
    """Squares stay at 16 and quotients at a half: v = v/2 + 1/2 gives 1, 1 from v = 1."""
    param, square, velocity = np.ones(1, dtype), np.full(1, 16, dtype), np.ones(1, dtype)
    seen = []
    for _ in range(2):
        functional.rmsprop_update(
            param, np.full(1, 4, dtype), square, velocity, lr=0.5, alpha=0.75, eps=4, momentum=0.5
        )
        seen.append((square[0], velocity[0], param[0]))
    assert seen == [(16, 1, 0.5), (16, 1, 0)]


@both_dtypes
def test_weight_decay_by_hand(dtype):
    """g = 2 + 4/2 = 4."""
    param, square = np.full(1, 4, dtype), np.full(1, 16, dtype)
    functional.rmsprop_update(
        param, np.full(1, 2, dtype), square, lr=0.5, alpha=0.75, eps=4, weight_decay=0.5
    )
    assert (square[0], param[0]) == (16, 3.75)


def test_rejects_momentum_without_velocity():
    ones = [np.ones(2) for _ in range(3)]
    with pytest.raises(ValueError, match="rmsprop_update: momentum needs a velocity"):
        functional.rmsprop_update(*ones, lr=0.1, momentum=0.5)


def test_a_velocity_is_kept_once_momentum_is_set():
    optimizer, params, grads = RMSProp(), {"w": np.ones(2)}, {"w": np.ones(2)}
    assert optimizer.states == ("square",)
    optimizer.step(params, grads)
    optimizer.momentum = 0.5
    optimizer.step(params, grads)
    optimizer.momentum = 0.0
    assert optimizer.states == ("square", "velocity") == tuple(optimizer.state)
    optimizer.step(params, grads)
    assert (optimizer.state["velocity"]["w"] > 0).all()


def test_repr():
    expected = "RMSProp(lr=0.01, alpha=0.99, eps=1e-08, momentum=0.0, weight_decay=0.0)"
    assert repr(RMSProp()) == expected
