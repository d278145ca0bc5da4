"""The objective of a regression: the mean, a quantile, or the rate of counts."""

from __future__ import annotations

import numpy as np
import pytest

import handnn
from handnn.tables.objective import checked_objective, rates


@pytest.mark.parametrize("text", ["squared", "poisson", "quantile:0.5"])
def test_an_objective_is_its_own_spelling(text):
    assert checked_objective(text, "it") == text


WRONG = ["", "mean", "quantile", "quantile:", "quantile:0", "quantile:1.0", "quantile:nan"]


@pytest.mark.parametrize("text", [*WRONG, "quantile:0_1", "quantile:9", None, 0.9])
def test_other_objectives_are_errors(text):
    with pytest.raises(ValueError, match="it must be 'squared', 'poisson'"):
        checked_objective(text, "it")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rates_are_exponentials(dtype):
    pre = np.linspace(-30, 30, 35).reshape(7, 5).astype(dtype)
    np.testing.assert_allclose(rates(pre), np.exp(pre.astype(float)), rtol=2 * np.finfo(dtype).eps)
    assert rates(pre).dtype == dtype and rates(pre[:0]).shape == (0, 5)
    one_by_one = np.concatenate([rates(row[None]) for row in pre])
    np.testing.assert_array_equal(rates(pre), one_by_one)


def test_counts_are_divided_by_their_mean():
    target = handnn.Target.learn([0, 1, 5], objective="poisson")
    assert target.encode([4]).tolist() == [[2.0]]
    assert target.decode(np.log([[3.0]])) == pytest.approx([6.0])
    assert repr(target) == "Target(regression, poisson: 2)"
    assert handnn.Target.from_dict(target.to_dict()).to_dict() == target.to_dict()


def test_the_loss_of_a_quantile():
    target = handnn.Target.learn([1.0, 2.0, 3.0], objective="quantile:0.25")
    assert target.loss().quantiles == (0.25,)
    assert target.decode(target.encode([7.0])) == pytest.approx([7.0])


def test_objectives_that_do_not_fit_are_errors():
    with pytest.raises(ValueError, match="0 or more"):
        handnn.Target.learn([1.0, -1.0], objective="poisson")
    with pytest.raises(ValueError, match="0 or more"):
        handnn.Target.learn([[1.0, 0.0], [2.0, 0.0]], objective="poisson")
    with pytest.raises(ValueError, match="needs a regression"):
        handnn.Target.learn([1, 2, 1, 2], "binary", objective="poisson")
    entry = handnn.Target.learn(["a", "b"]).to_dict()
    with pytest.raises(handnn.FormatError, match="has the objective"):
        handnn.Target.from_dict({**entry, "objective": "poisson"})
    with pytest.raises(handnn.FormatError, match="its objective"):
        handnn.Target.from_dict({**handnn.Target.learn([1.5, 2]).to_dict(), "objective": 3})
