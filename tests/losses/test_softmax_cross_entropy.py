"""SoftmaxCrossEntropy: the mean over all N rows of -Σ_o t_o·log p_o, p = softmax(pre)."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import SGD, SoftmaxCrossEntropy, Trainer, functional, mlp
from tests.bounds import assert_same_bits
from tests.losses.losses import (
    LOSSES,
    OUTPUTS,
    assert_fit_refuses,
    assert_row_refused,
    assert_targets_refused,
)

both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
both_functions = pytest.mark.parametrize(
    "function",
    [functional.softmax_cross_entropy_forward, functional.softmax_cross_entropy_backward],
    ids=lambda function: function.__name__,
)

OF_LABELS = "SoftmaxCrossEntropy(label_smoothing=0.0, class_weight=None)"
OF_PROBABILITIES = f"{OF_LABELS}, probabilities"


def logits(dtype):
    """p is (1/4, 3/4) and (1/2, 1/2)."""
    return np.array([[0, np.log(3)], [7, 7]], dtype)


def assert_gives(loss, y, dtype, value, slopes):
    eps = float(np.finfo(dtype).eps)
    assert loss.forward(logits(dtype), y) == pytest.approx(value, rel=4 * eps)
    np.testing.assert_allclose(loss.backward(), slopes, rtol=8 * eps)


@both_dtypes
def test_by_hand(dtype):
    """Labels 0 and 1 have p 1/4 and 1/2: log 4 and log 2, over 2 rows; dx is p minus one-hot."""
    slopes = [[-3 / 8, 3 / 8], [1 / 4, -1 / 4]]
    assert_gives(SoftmaxCrossEntropy(), [0, 1], dtype, 1.5 * np.log(2), slopes)


@both_dtypes
def test_by_hand_with_probabilities(dtype):
    """t is (1/2, 1/2) and (1, 0)."""
    value = (0.5 * np.log(4) + 0.5 * np.log(4 / 3) + np.log(2)) / 2
    slopes = [[-1 / 8, 1 / 8], [-1 / 4, 1 / 4]]
    assert_gives(SoftmaxCrossEntropy(), [[0.5, 0.5], [1, 0]], dtype, value, slopes)


@both_dtypes
def test_by_hand_with_label_smoothing(dtype):
    """A smoothing of 1/2 gives t = (3/4, 1/4) for label 0 and (1/4, 3/4) for label 1."""
    value = (0.75 * np.log(4) + 0.25 * np.log(4 / 3) + np.log(2)) / 2
    slopes = [[-1 / 4, 1 / 4], [1 / 8, -1 / 8]]
    assert_gives(SoftmaxCrossEntropy(0.5), [0, 1], dtype, value, slopes)


@both_dtypes
def test_by_hand_with_class_weights(dtype):
    """The rows have the weights 2 and 3; the divisor is still 2."""
    loss = SoftmaxCrossEntropy(class_weight=[2, 3])
    slopes = [[-3 / 4, 3 / 4], [3 / 4, -3 / 4]]
    assert_gives(loss, [0, 1], dtype, (2 * np.log(4) + 3 * np.log(2)) / 2, slopes)


@both_dtypes
def test_by_hand_with_smoothing_and_weights(dtype):
    """t is (2·3/4, 4/4) and (2/4, 4·3/4); dx is (p·Σt - t) / 2."""
    loss = SoftmaxCrossEntropy(0.5, [2, 4])
    value = (1.5 * np.log(4) + np.log(4 / 3) + 3.5 * np.log(2)) / 2
    slopes = [[(0.25 * 2.5 - 1.5) / 2, (0.75 * 2.5 - 1) / 2], [(1.75 - 0.5) / 2, (1.75 - 3) / 2]]
    assert_gives(loss, [0, 1], dtype, value, slopes)


@both_dtypes
@pytest.mark.parametrize(
    "settings", [{}, {"label_smoothing": 0.2}, {"class_weight": [1, 2, 3, 4, 5, 6]}], ids=str
)
def test_labels_of_any_shape_and_dtype_give_the_same_loss(dtype, settings):
    pre, y, _ = LOSSES[OF_LABELS].rows(9, dtype)
    loss = SoftmaxCrossEntropy(**settings)
    expected, dx = loss.forward(pre, y), loss.backward()
    labels = y[:, 0].astype(np.int64)
    forms = [labels, labels.tolist(), labels[:, None], labels.astype(np.uint8), y[:, 0], y.tolist()]
    for form in forms:
        assert loss.forward(pre, form) == expected
        assert_same_bits(loss.backward(), dx)
    one_hot = np.eye(OUTPUTS, dtype=dtype)[labels]
    for form in (one_hot, one_hot.astype(bool), one_hot.tolist()):
        eps = float(np.finfo(dtype).eps)
        assert loss.forward(pre, form) == pytest.approx(expected, rel=eps)
        np.testing.assert_allclose(loss.backward(), dx, rtol=4 * eps, atol=eps)


@both_dtypes
def test_large_logits(dtype):
    """The loss of a confident prediction is 0 if it is correct and 2000 if it is wrong."""
    pre = np.array([[1000, -1000, 0]], dtype)
    loss = SoftmaxCrossEntropy()
    for y, value in (([0], 0), ([1], 2000), ([2], 1000), ([[0, 0.5, 0.5]], 1500)):
        assert loss.forward(pre, y) == value
        assert np.isfinite(loss.backward()).all()
    loss.forward(pre, [1])
    assert loss.backward().tolist() == [[1, -1, 0]]


@both_dtypes
def test_adding_a_constant_to_a_row_of_logits_changes_nothing(dtype):
    pre = np.array([[1, 2, 4, 0.5]], dtype)
    loss = SoftmaxCrossEntropy(0.1)
    expected, dx = loss.forward(pre, [2]), loss.backward()
    assert loss.forward(pre + 512, [2]) == expected
    assert_same_bits(loss.backward(), dx)


@both_dtypes
@pytest.mark.parametrize("columns", [*range(2, 40), 1000])
def test_each_row_of_the_gradient_sums_to_zero(columns, dtype):
    rng = np.random.default_rng(columns)
    pre = rng.normal(0, 3, (5, columns)).astype(dtype)
    dx = functional.softmax_cross_entropy_backward(pre, rng.integers(0, columns, 5))
    assert (abs(dx.sum(axis=1, dtype=float)) < columns * float(np.finfo(dtype).eps)).all()


@pytest.mark.parametrize("bad", [6, -1, 1.5, 0.999, np.nan, np.inf, -np.inf, 2**40])
def test_rejects_invalid_labels(bad):
    message = f"is {bad:g}, but a label must be an integer from 0 to 5"
    assert_row_refused(OF_LABELS, bad, message)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([0, 0, 0, 0, 0, 0], "adds up to 0, but probabilities must add up to 1"),
        ([1, 1, 0, 0, 0, 0], "adds up to 2, but probabilities must add up to 1"),
        ([0.998, 0, 0, 0, 0, 0], "adds up to 0.998, but probabilities must add up to 1"),
        ([0.5, 0.5, 0.25, -0.25, 0, 0], "has -0.25: probabilities must be from 0 to 1"),
        ([2, 0, 0, 0, 0, 0], "has 2: probabilities must be from 0 to 1"),
        ([np.nan, 0, 0, 0, 0, 1], "has nan: probabilities must be from 0 to 1"),
    ],
)
def test_rejects_rows_that_do_not_sum_to_one(bad, message):
    assert_row_refused(OF_PROBABILITIES, bad, message)


def test_accepts_rows_that_sum_to_one_within_a_thousandth():
    for total in (0.9995, 1.0005):
        SoftmaxCrossEntropy().forward(np.zeros((1, 2)), [[total / 2, total / 2]])


@pytest.mark.parametrize("shape", [(20, 5), (20, 7), (20, 1, 1), (20, 2)], ids=str)
def test_rejects_targets_of_another_shape(shape):
    message = r"shape .*\(20, 6\).*" if shape == (20, 1, 1) else "shape"
    assert_targets_refused(SoftmaxCrossEntropy(), np.zeros(shape), message)


@both_functions
@pytest.mark.parametrize("bad", [-0.1, 1.1, np.nan, np.inf])
def test_rejects_label_smoothing_outside_0_to_1(function, bad):
    with pytest.raises(ValueError, match=rf"^{function.__name__}: label_smoothing must be from 0"):
        function([[1.0, 2.0]], [0], label_smoothing=bad)
    message = "^SoftmaxCrossEntropy: label_smoothing must be from 0 to 1"
    with pytest.raises(ValueError, match=message):
        SoftmaxCrossEntropy(bad)
    spoilt = SoftmaxCrossEntropy()
    spoilt.label_smoothing = bad
    assert_fit_refuses(spoilt, np.zeros((20, 1)), message)


@pytest.mark.parametrize("bad", ["0.1", None, True, [0.1]])
def test_rejects_label_smoothing_that_is_not_a_number(bad):
    with pytest.raises(TypeError, match="^SoftmaxCrossEntropy: label_smoothing must be a number"):
        SoftmaxCrossEntropy(bad)


@both_functions
@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_rejects_class_weights_that_are_negative_or_not_finite(function, bad):
    with pytest.raises(ValueError, match=rf"^{function.__name__}: class_weight must be finite and"):
        function([[1.0, 2.0]], [0], class_weight=[1.0, bad])
    with pytest.raises(ValueError, match="^SoftmaxCrossEntropy: class_weight must be non-negative"):
        SoftmaxCrossEntropy(class_weight=[1.0, bad])
    spoilt = SoftmaxCrossEntropy(class_weight=np.ones(OUTPUTS))
    spoilt.class_weight[3] = bad
    assert_fit_refuses(spoilt, np.zeros((20, 1)), "^SoftmaxCrossEntropy: class_weight must be ")


@both_functions
@pytest.mark.parametrize("count", [0, 1, 5, 7])
def test_rejects_another_number_of_class_weights(function, count):
    message = f"class_weight has {count} numbers but pre has 6 columns"
    with pytest.raises(ValueError, match=rf"^{function.__name__}: {message}"):
        function(np.zeros((2, OUTPUTS)), [0, 1], class_weight=np.ones(count))
    loss = SoftmaxCrossEntropy(class_weight=np.ones(count))
    assert_fit_refuses(loss, np.zeros((20, 1)), rf"^Trainer\.\w+: {message}")


@pytest.mark.parametrize("bad", ["words", [None], [1j]])
def test_rejects_class_weights_that_are_not_numbers(bad):
    with pytest.raises(TypeError, match="^SoftmaxCrossEntropy: class_weight must hold real"):
        SoftmaxCrossEntropy(class_weight=bad)


def test_copies_class_weights():
    weights = np.ones(OUTPUTS)
    loss = SoftmaxCrossEntropy(class_weight=weights)
    weights[:] = 5
    assert loss.settings["class_weight"] == [1.0] * OUTPUTS


def test_fit_checks_validation_labels_before_training():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 4)), rng.integers(0, OUTPUTS, 20)
    for engine in ("compiled", "bricks"):
        network = mlp([4, OUTPUTS], rng=0)
        before = network.params["0.w"].tobytes()
        trainer = Trainer(network, SoftmaxCrossEntropy(), SGD(0.1), engine=engine)
        with pytest.raises(ValueError, match=r"^Trainer.fit: validation: row 2 of y is 6, but"):
            trainer.fit(x, y, epochs=1, batch_size=8, validation=(x[:3], [0, 5, 6]))
        assert network.params["0.w"].tobytes() == before
