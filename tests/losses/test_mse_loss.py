"""MSELoss: the mean over all N·O entries of (pre - y_true)²."""

from __future__ import annotations

import math

import numpy as np
import pytest

from handnn import MSELoss, Network, Sigmoid, functional, gradient_check, reference
from handnn.reference.calls import DTYPES
from tests.bounds import assert_same_bits, assert_within, of_sum, without_sum

both_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
no_loss = pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])


@both_dtypes
def test_by_hand(dtype):
    """The errors are 1, -2, 0 and 3: 14 / 4, and twice each of them over 4."""
    pre = np.array([[2, 0], [5, 4]], dtype)
    y_true = np.array([[1, 2], [5, 1]], dtype)
    loss = MSELoss()
    assert loss.forward(pre, y_true) == 3.5
    assert loss.loss == 3.5
    assert loss.backward().tolist() == [[0.5, -1], [0, 1.5]]
    assert loss.backward(10.0).tolist() == [[5, -10], [0, 15]]
    assert loss.backward().dtype == dtype


@both_dtypes
def test_the_articles_gradient_by_hand(dtype):
    loss = MSELoss(gradient="article")
    loss.forward(np.array([[2, 0], [5, 4]], dtype), np.array([[1, 2], [5, 1]], dtype))
    assert loss.backward().tolist() == [[1, -2], [0, 3]]
    assert loss.backward(0.5).tolist() == [[0.5, -1], [0, 1.5]]


@both_dtypes
def test_weight_two_counts_a_row_twice(dtype):
    """By hand: ((1 + 4)·2 + (0 + 9)·1) / 4. A repeated row gives the same sum."""
    pre, y_true = np.array([[2, 0], [5, 4]], dtype), np.array([[1, 2], [5, 1]], dtype)
    weight = np.array([2, 1], dtype)
    assert functional.mse_loss_forward(pre, y_true, sample_weight=weight) == 19 / 4
    twice = functional.mse_loss_forward(pre[[0, 0, 1]], y_true[[0, 0, 1]])
    assert twice * 6 == 19
    dx = functional.mse_loss_backward(pre, y_true, sample_weight=weight)
    assert dx.tolist() == [[1, -2], [0, 1.5]]


@both_dtypes
def test_weight_zero_excludes_a_row_and_ones_change_nothing(dtype):
    rng = np.random.default_rng(11)
    pre, y_true = rng.normal(size=(2, 9, 3)).astype(dtype)
    weight = np.ones(9, dtype)
    plain = functional.mse_loss_forward(pre, y_true)
    weighted = functional.mse_loss_forward(pre, y_true, sample_weight=weight)
    assert_within(weighted, plain, of_sum(plain, pre.size, np.float64))
    assert_same_bits(
        functional.mse_loss_backward(pre, y_true, sample_weight=weight),
        functional.mse_loss_backward(pre, y_true),
    )
    weight[4] = 0
    assert not functional.mse_loss_backward(pre, y_true, sample_weight=weight)[4].any()


@pytest.mark.parametrize("bad", [-1.0, -1e-300, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 17, 36])
def test_rejects_weights_that_are_negative_or_not_finite(bad, place):
    weight = np.ones(37)
    weight[place] = bad
    pre = np.ones((37, 2))
    for function in (functional.mse_loss_forward, functional.mse_loss_backward):
        with pytest.raises(ValueError, match=rf"^{function.__name__}: .*sample_weight"):
            function(pre, pre, sample_weight=weight)


def test_accepts_a_weight_of_minus_zero():
    assert functional.mse_loss_forward([[3.0]], [[1.0]], sample_weight=[-0.0]) == 0


@both_dtypes
def test_accepts_a_flat_column(dtype):
    rng = np.random.default_rng(12)
    pre, y_true = rng.normal(size=(2, 7, 1)).astype(dtype)
    flat = y_true.reshape(7)
    assert functional.mse_loss_forward(pre, flat) == functional.mse_loss_forward(pre, y_true)
    assert_same_bits(
        functional.mse_loss_backward(pre, flat), functional.mse_loss_backward(pre, y_true)
    )


@pytest.mark.parametrize(
    ("pre", "y_true"),
    [((7, 1), (1, 7)), ((7, 1), (8,)), ((7, 2), (14,)), ((7, 2), (7,)), ((7,), (7,)),
     ((7,), (7, 1)), ((1, 7), (7,)), ((2, 2, 2), (2, 2, 2)), ((), ())],
    ids=str,
)  # fmt: skip
def test_rejects_other_shapes(pre, y_true):
    for function in (functional.mse_loss_forward, functional.mse_loss_backward):
        with pytest.raises(ValueError, match=rf"^{function.__name__}: "):
            function(np.ones(pre), np.ones(y_true))


@both_dtypes
@no_loss
def test_the_loss_of_empty_arrays_is_nan(dtype, shape):
    nothing = np.zeros(shape, dtype)
    assert math.isnan(functional.mse_loss_forward(nothing, nothing))
    assert_same_bits(functional.mse_loss_backward(nothing, nothing), nothing)


@both_dtypes
def test_the_loss_is_a_python_float_summed_in_float64(dtype):
    """100,000 squares of 1/10: a float32 sum would have an error in the fifth digit."""
    pre = np.full((50_000, 2), 0.1, dtype)
    loss = functional.mse_loss_forward(pre, np.zeros_like(pre))
    assert type(loss) is float
    square = float(dtype(0.1)) ** 2
    bound = without_sum(square, dtype) + of_sum(square, pre.size, np.float64)
    assert_within(loss, square, bound)


@both_dtypes
def test_the_order_of_the_sum_depends_only_on_the_position(dtype):
    """The sixteen interleaved float64 sums do not depend on the shape."""
    rng = np.random.default_rng(13)
    pre, y_true = rng.normal(size=(2, 720)).astype(dtype)
    losses = {
        functional.mse_loss_forward(pre.reshape(shape), y_true.reshape(shape))
        for shape in [(720, 1), (1, 720), (24, 30), (48, 15)]
    }
    assert len(losses) == 1


@both_dtypes
def test_dout_scales_the_gradient(dtype):
    rng = np.random.default_rng(14)
    pre, y_true = rng.normal(size=(2, 5, 3)).astype(dtype)
    for dout in (0.0, 1, -2.5, np.float32(0.3), np.array(0.7)):
        for gradient in ("exact", "article"):
            dx = functional.mse_loss_backward(pre, y_true, dout, gradient=gradient)
            wide = (a.astype(np.float64) for a in (pre, y_true))
            expected = reference.mse_loss_backward(*wide, float(dout), gradient=gradient)
            assert dx.dtype == dtype
            assert_within(dx, expected, without_sum(expected, dtype))


@pytest.mark.parametrize("gradient", ["", "Exact", "exact ", "2", None, 2])
def test_rejects_other_gradients(gradient):
    with pytest.raises((ValueError, TypeError), match="gradient"):
        functional.mse_loss_backward(np.ones((1, 1)), np.ones((1, 1)), gradient=gradient)
    with pytest.raises((ValueError, TypeError), match="gradient"):
        MSELoss(gradient=gradient)


def test_gradients():
    rng = np.random.default_rng(15)
    x, y = rng.normal(size=(2, 6, 4))
    report = gradient_check(Network([Sigmoid()]), MSELoss(), x, y)
    assert report.passed, report
    broken = gradient_check(Network([Sigmoid()]), MSELoss(gradient="article"), x, y)
    assert not broken.passed, "(pre - y)·dout is not the derivative of the mean"


def test_keeps_its_arguments():
    loss = MSELoss()
    assert loss.pre is None and loss.y_true is None and loss.loss is None
    with pytest.raises(RuntimeError, match="forward"):
        loss.backward()
    pre = np.ones((3, 1))
    loss.forward(pre, np.zeros(3))
    assert loss.pre is pre
    assert loss.y_true.shape == (3, 1), "the article keeps y_true in pre's shape"
