"""Common tests of all losses: gradients, settings, kept arguments and sample weights."""

from __future__ import annotations

import math

import numpy as np
import pytest

import handnn
from handnn import SGD, Affine, Network, Trainer, gradient_check, losses, reference
from tests.bounds import assert_same_bits, assert_within, of_sum
from tests.losses.losses import LOSSES, OUTPUTS, functions_of

every_loss = pytest.mark.parametrize("name", LOSSES)
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])

KEPT = ("pre", "y_true", "sample_weight", "loss")
FINITE_EVERYWHERE = [name for name in LOSSES if not name.startswith(("Poisson", "Gaussian"))]


class Weighted:
    """A loss with fixed weights, for callers that pass none."""

    def __init__(self, loss, weight):
        self.loss, self.weight = loss, weight

    def forward(self, pre, y_true):
        return self.loss.forward(pre, y_true, self.weight)

    def backward(self):
        return self.loss.backward()


def test_every_loss_is_listed():
    assert {type(example.build()) for example in LOSSES.values()} == set(losses.LOSSES)


@every_loss
def test_settings_and_repr_rebuild_the_loss(name):
    loss = LOSSES[name].build()
    assert name.startswith(repr(loss))
    for again in (type(loss)(**loss.settings), eval(repr(loss), vars(handnn))):
        assert type(again) is type(loss)
        assert again.settings == loss.settings and repr(again) == repr(loss)
    loss.check()


@every_loss
def test_before_the_first_forward(name):
    loss = LOSSES[name].build()
    assert all(getattr(loss, kept) is None for kept in KEPT)
    with pytest.raises(RuntimeError, match=f"^{type(loss).__name__}.backward: call forward first"):
        loss.backward()


@every_loss
@both_dtypes
def test_keeps_its_arguments_and_equals_the_functions(name, dtype):
    loss = LOSSES[name].build()
    pre, y, weight = LOSSES[name].rows(7, dtype)
    forward, backward = functions_of(loss)
    assert loss.forward(pre, y.tolist(), weight.tolist()) == loss.loss
    assert loss.loss == forward(pre, y, sample_weight=weight)
    assert loss.pre is pre
    assert_same_bits(loss.y_true, y)
    assert_same_bits(loss.sample_weight, weight)
    assert_same_bits(loss.backward(-0.7), backward(pre, y, dout=-0.7, sample_weight=weight))
    assert loss.forward(pre, y) == loss.loss == forward(pre, y)
    assert loss.sample_weight is None
    assert_same_bits(loss.backward(), backward(pre, y))


@every_loss
@pytest.mark.parametrize("is_weighted", [False, True])
def test_gradients(name, is_weighted):
    if "article" in name:
        pytest.skip("the article's gradient is not the derivative of the mean")
    network = Network([Affine.random(4, OUTPUTS, rng=7, dtype="float64")])
    x = np.random.default_rng(7).normal(size=(6, 4))
    _, y, weight = LOSSES[name].rows(6)
    loss = LOSSES[name].build()
    report = gradient_check(network, Weighted(loss, weight) if is_weighted else loss, x, y)
    assert report.passed and report.rtol == 1e-6, report


@every_loss
@both_dtypes
def test_weights_two_and_zero(name, dtype):
    pre, y, _ = LOSSES[name].rows(5, dtype)
    forward, backward = functions_of(LOSSES[name].build())
    weight = np.array([1, 2, 1, 0, 1], dtype)
    again = [0, 1, 1, 2, 4]
    expected = forward(pre[again], y[again])
    assert_within(
        forward(pre, y, sample_weight=weight), expected, of_sum(abs(expected) + 9, 30, "float64")
    )
    dx, plain = backward(pre, y, sample_weight=weight), backward(pre, y)
    assert_same_bits(dx[[0, 2, 4]], plain[[0, 2, 4]])
    assert_within(dx[1], 2 * plain[1].astype(float), of_sum(abs(plain[1]), 2, dtype))
    assert not dx[3].any()


@every_loss
@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_rejects_weights_that_are_negative_or_not_finite(name, bad):
    pre, y, weight = LOSSES[name].rows(9)
    weight[-1] = bad
    for call in functions_of(LOSSES[name].build()):
        with pytest.raises(ValueError, match="sample_weight must be finite and not negative"):
            call(pre, y, sample_weight=weight)
        with pytest.raises(ValueError, match="sample_weight has 8 elements but pre has 9 rows"):
            call(pre, y, sample_weight=weight[:-1])


@every_loss
@both_dtypes
def test_the_loss_of_zero_rows_is_nan(name, dtype):
    pre, y, weight = (array[:0] for array in LOSSES[name].rows(3, dtype))
    loss = LOSSES[name].build()
    for weights in (None, weight):
        assert math.isnan(loss.forward(pre, y, weights))
        assert_same_bits(loss.backward(), pre)


@every_loss
@both_dtypes
def test_nan_stays_in_its_row_of_the_gradient(name, dtype):
    pre, y, _ = LOSSES[name].rows(9, dtype)
    pre[4, 1] = np.nan
    loss = LOSSES[name].build()
    assert math.isnan(loss.forward(pre, y))
    dx = loss.backward()
    assert np.isnan(dx[4, 1])
    assert np.isfinite(np.delete(dx, 4, axis=0)).all()


@pytest.mark.parametrize("name", FINITE_EVERYWHERE)
@both_dtypes
def test_large_predictions_do_not_overflow_or_warn(name, dtype):
    pre, y, _ = LOSSES[name].rows(9, dtype)
    pre = np.where(pre < 0, -1000, 1000).astype(dtype)
    loss = LOSSES[name].build()
    forward = getattr(reference, f"{loss.kind}_forward")
    settings = {} if loss.kind == "mse_loss" else loss.settings
    wide = {n: np.asarray(s, float) if isinstance(s, list) else s for n, s in settings.items()}
    expected = forward(pre.astype(float), y.astype(float), **wide)
    assert 0 < expected < np.inf
    assert_within(loss.forward(pre, y), expected, of_sum(expected, 6, dtype))
    assert np.isfinite(loss.backward()).all()


@every_loss
@pytest.mark.parametrize("engine", ["compiled", "bricks"])
def test_kept_attributes_after_fit(name, engine):
    """A compiled fit resets the attributes to None; the Python loop keeps the last batch."""
    loss = LOSSES[name].build()
    _, y, _ = LOSSES[name].rows(20, "float32")
    x = np.random.default_rng(1).normal(size=(20, 4))
    loss.forward(*LOSSES[name].rows(3, "float32"))
    network = Network([Affine.random(4, OUTPUTS, rng=1)])
    Trainer(network, loss, SGD(1e-3), engine=engine).fit(x, y, epochs=1, batch_size=8)
    assert all((getattr(loss, kept) is None) == (engine == "compiled") for kept in KEPT[:2])
    assert (loss.loss is None) == (engine == "compiled") and loss.sample_weight is None


@pytest.mark.parametrize("name", [n for n in LOSSES if not n.startswith(("Soft", "Gauss"))])
@both_dtypes
def test_accepts_flat_targets(name, dtype):
    loss = LOSSES[name].build()
    pre, y, weight = LOSSES[name].rows(7, dtype)
    columns = len(loss.settings.get("quantiles", [0]))
    pre, y = pre[:, :columns], y[:, :1]
    expected = loss.forward(pre, y, weight), loss.backward().tobytes()
    assert (loss.forward(pre, y[:, 0], weight), loss.backward().tobytes()) == expected
    assert loss.y_true.shape == (7, 1)
