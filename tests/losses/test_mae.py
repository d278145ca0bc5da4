"""MAE: the mean over all N·O entries of |pre - y_true|."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import MAE
from tests.losses.losses import assert_targets_refused

both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


@both_dtypes
def test_by_hand(dtype):
    """The errors are 1, -2, 0 and 3: 6 / 4, and the sign of each over 4."""
    loss = MAE()
    pre, y = np.array([[2, 0], [5, 4]], dtype), np.array([[1, 2], [5, 1]], dtype)
    assert loss.forward(pre, y) == 1.5
    assert loss.backward().tolist() == [[0.25, -0.25], [0, 0.25]]
    assert loss.backward(8.0).tolist() == [[2, -2], [0, 2]]
    assert loss.forward(pre, y, [2, 1]) == 9 / 4
    assert loss.backward().tolist() == [[0.5, -0.5], [0, 0.25]]


@both_dtypes
def test_denormal_errors_have_a_sign(dtype):
    tiny = np.finfo(dtype).smallest_subnormal
    loss = MAE()
    loss.forward(np.array([[tiny, -tiny, 0]], dtype), np.zeros((1, 3), dtype))
    assert np.sign(loss.backward()).tolist() == [[1, -1, 0]]


def test_is_minimized_by_the_median():
    y = np.array([[1.0], [2.0], [10.0]])
    losses = {guess: MAE().forward(np.full((3, 1), guess), y) for guess in (1.0, 2.0, 13 / 3, 10.0)}
    assert min(losses, key=losses.get) == 2.0


@pytest.mark.parametrize("shape", [(20, 5), (20, 7), (20, 6, 1), (20, 1), (120,), (20,)], ids=str)
def test_rejects_targets_of_another_shape(shape):
    assert_targets_refused(MAE(), np.zeros(shape), "shape")
