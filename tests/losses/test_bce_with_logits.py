"""BCEWithLogits: the mean of -y·log p - (1 - y)·log(1 - p), p = sigmoid(pre)."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import BCEWithLogits
from tests.losses.losses import assert_row_refused

both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


@both_dtypes
def test_by_hand(dtype):
    """p is 1/2 and 3/4; the terms are log 2 and log 4, the derivatives -1/2 and 3/4."""
    loss = BCEWithLogits()
    value = loss.forward(np.array([[0, np.log(3)]], dtype), np.array([[1, 0]], dtype))
    eps = float(np.finfo(dtype).eps)
    assert value == pytest.approx(1.5 * np.log(2), rel=2 * eps)
    np.testing.assert_allclose(loss.backward(), [[-0.25, 0.375]], rtol=4 * eps)


@both_dtypes
def test_targets_between_0_and_1(dtype):
    """For y = 1/2, the gradient is 0 at p = 1/2."""
    loss = BCEWithLogits()
    pre = np.array([[1, -2, 0.5]], dtype)
    yes, no = loss.forward(pre, np.ones_like(pre)), loss.forward(pre, np.zeros_like(pre))
    half = loss.forward(pre, np.full_like(pre, 0.5))
    assert half == pytest.approx((yes + no) / 2, rel=4 * float(np.finfo(dtype).eps))
    loss.forward(np.zeros((1, 3), dtype), np.full((1, 3), 0.5, dtype))
    assert not loss.backward().any()


@both_dtypes
def test_large_logits(dtype):
    """The loss of a confident prediction is 0 if it is correct and 1000 if it is wrong."""
    pre = np.array([[1000, -1000]], dtype)
    loss = BCEWithLogits()
    assert loss.forward(pre, [[1, 0]]) == 0
    assert loss.backward().tolist() == [[0, 0]]
    assert loss.forward(pre, [[0, 1]]) == 1000
    assert loss.backward().tolist() == [[0.5, -0.5]]


@both_dtypes
def test_a_small_loss_does_not_cancel(dtype):
    """log(1 + exp(-30)) is about exp(-30); softplus(30) - 30 would be 0."""
    small = float(np.finfo(dtype).eps) * 4
    value = BCEWithLogits().forward(np.array([[30]], dtype), np.array([[1]], dtype))
    assert value == pytest.approx(np.exp(-30.0), rel=small)


@pytest.mark.parametrize("bad", [-0.25, 1.25, np.nan, np.inf, -np.inf, 2, -1])
def test_rejects_targets_outside_0_to_1(bad):
    row = np.full(6, 0.5)
    row[2] = bad
    assert_row_refused("BCEWithLogits()", row, f"has {bad:g}: targets must be from 0 to 1")
