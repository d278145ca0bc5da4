"""AdaGrad by hand: steps shrink where gradients have been large."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import AdaGrad, functional
from handnn.reference.calls import DTYPES

both_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


@both_dtypes
def test_by_hand(dtype):
    """Squares 16 + 3² and 25 + 12² have the roots 5 and 13; 3/(5 + 3) and 12/(13 + 3), halved."""
    param, square = np.array([1, 2], dtype), np.array([16, 25], dtype)
    functional.adagrad_update(param, np.array([3, -12], dtype), square, lr=0.5, eps=3)
    assert square.tolist() == [25, 169]
    assert param.tolist() == [0.8125, 2.375]


@both_dtypes
def test_two_steps_by_hand(dtype):
    """Gradients 3 and 4, eps 1: 3/(3 + 1) and 4/(5 + 1), and 24 times that."""
    optimizer, params = AdaGrad(lr=24, eps=1), {"w": np.zeros(1, dtype)}
    seen = []
    for grad in (3, 4):
        optimizer.step(params, {"w": np.full(1, grad, dtype)})
        seen.append((optimizer.state["square"]["w"][0], params["w"][0]))
    assert seen[0] == (9, -18) and seen[1][0] == 25
    assert seen[1][1] == pytest.approx(-34, rel=4 * float(np.finfo(dtype).eps))


@both_dtypes
def test_weight_decay_by_hand(dtype):
    """g = 1 + 4/2 = 3; the root of 16 + 9 is 5, 3/(5 + 1) is a half."""
    param = np.full(1, 4, dtype)
    square = np.full(1, 16, dtype)
    functional.adagrad_update(param, np.ones(1, dtype), square, lr=2, eps=1, weight_decay=0.5)
    assert (square[0], param[0]) == (25, 3)


@both_dtypes
def test_a_zero_gradient_changes_nothing(dtype):
    param, square = np.ones(2, dtype), np.zeros(2, dtype)
    functional.adagrad_update(param, np.zeros(2, dtype), square, lr=0.5)
    assert param.tolist() == [1, 1] and square.tolist() == [0, 0]


def test_state_and_repr():
    assert AdaGrad().states == ("square",)
    assert repr(AdaGrad()) == "AdaGrad(lr=0.01, eps=1e-10, weight_decay=0.0)"
