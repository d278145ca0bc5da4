"""QuantileCurves and DenseInput: weighted quantiles, fast for a single row."""

from __future__ import annotations

import tracemalloc
from statistics import NormalDist

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: no estimators")

from handnn import Columns
from handnn.sklearn import MLPRegressor
from handnn.tables import dense
from handnn.tables.dense import DenseInput
from handnn.tables.quantiles import MAX_COMPARISONS, QuantileCurves, quantile_curve
from tests.bounds import assert_same_bits

RNG = np.random.default_rng(0)
X = np.stack([RNG.lognormal(size=4000), RNG.integers(0, 3, 4000), np.full(4000, 7.0)], axis=1)


def test_by_hand():
    x = np.arange(1.0, 25)[:, None]  # 24 rows have 3 knots
    curves = QuantileCurves(x, None)
    assert curves.knots.tolist() == [[1, 12, 24, np.inf]]
    sixth = 0.967421566101701  # the 5/6 quantile of the normal distribution
    mean, deviation = 37 / 3, np.sqrt(794) / 3  # those of 1, 12 and 24
    low, middle, high = (
        (z + 0.3 * (knot - mean) / deviation) / 1.3
        for z, knot in ((-sixth, 1), (0, 12), (sixth, 24))
    )
    np.testing.assert_allclose(curves.levels, [[low, middle, high, 0]], rtol=1e-12, atol=1e-15)
    found = curves(np.array([[-5.0], [6.5], [12.0], [18.0], [99.0]]))[:, 0]
    halves = [low, (low + middle) / 2, middle, (middle + high) / 2, high]
    np.testing.assert_allclose(found, halves, atol=1e-12)
    assert curves.center.tolist() == [12]


@pytest.mark.parametrize(("scaling", "scale"), [("quantile", "quantile"), ("standard", True)])
def test_has_the_bits_of_columns(scaling, scale):
    ours = DenseInput(X, None, scaling).transform(X, "float64")
    assert_same_bits(ours, Columns.learn(X, scale=scale).transform(X, "float64"))
    assert set(ours[:, 2]) == {0}  # the constant column


def test_keeps_the_shape_of_long_tails():
    """A function that is linear in a column with a long tail is almost linear in levels above 2."""
    x = np.exp(RNG.normal(0, 1.5, (4000, 1)))
    knots, levels = quantile_curve(x[:, 0])
    tail = levels > 2
    assert tail.sum() > 3
    assert np.corrcoef(knots[tail], levels[tail])[0, 1] > 0.99


def test_a_normal_column_stays_normal():
    normal = NormalDist()
    x = np.array([normal.inv_cdf((place + 0.5) / 4000) for place in range(4000)])
    knots, levels = quantile_curve(x)
    np.testing.assert_allclose(levels[3:-3], knots[3:-3], atol=0.05)


def test_weights_equal_repetitions():
    weight = RNG.integers(0, 4, 4000)
    weighted = QuantileCurves(X[weight > 0], weight[weight > 0].astype(float))
    repeated = QuantileCurves(X.repeat(weight, axis=0), None)
    for name in ("knots", "levels", "slopes", "center"):
        assert_same_bits(getattr(weighted, name), getattr(repeated, name))


def test_a_single_row_gets_the_same_bits():
    curves = QuantileCurves(X, None)
    assert (
        len(X) * curves.knots.size > MAX_COMPARISONS >= curves.knots.size
    )  # many rows are searched
    rows = np.vstack([X, X.min(axis=0) - 1, X.max(axis=0) + 1, [[1e308, -1e308, 0]]])
    every = curves(rows)
    alone = np.vstack([curves(rows[place : place + 1]) for place in range(len(rows))])
    assert_same_bits(alone, every)
    assert np.isfinite(every).all()


def test_quantiles_bound_outliers():
    y = np.log(X[:, 0])
    x = X.copy()
    x[5, 0] = 1e12
    bent, straight = (
        MLPRegressor(scale=scale, max_iter=10, random_state=0).fit(x, y) for scale in ("auto", True)
    )
    assert bent.score(X, y) > 0.98 > 0.5 > straight.score(X, y)


def test_an_unexpected_gap_becomes_the_median():
    model = MLPRegressor(max_iter=2, random_state=0).fit(X, X[:, 0])
    rows = np.array([[np.nan, 1, 7], [np.sort(X[:, 0])[1999], 1, 7]])
    answers = model.predict(rows)
    np.testing.assert_allclose(answers[0], answers[1], rtol=0.01)


def test_bounds_rare_values():
    x = np.zeros((1000, 2))
    x[0, 0], x[:, 1] = 255, np.arange(1000)
    scaled = DenseInput(x, None, "standard").transform(x, "float64")
    assert scaled.max(axis=0)[0] == pytest.approx(10)
    assert scaled[:, 1].std() == pytest.approx(1)


def test_standardizes_many_columns_without_quantiles():
    wide = RNG.normal(size=(20, 300))
    model = MLPRegressor(max_iter=1).fit(wide, wide[:, 0])
    assert model._inputs.scaling == "standard"
    assert MLPRegressor(max_iter=1).fit(X, X[:, 0])._inputs.scaling == "quantile"


@pytest.mark.parametrize("scaling", ["standard", "quantile"])
def test_memory_is_bounded_by_the_result(scaling, monkeypatch):
    x = RNG.lognormal(size=(40_000, 20)).astype(np.float32)
    whole = DenseInput(x, None, scaling)
    expected = whole.transform(x[: dense.BLOCK_ROWS], "float32")
    monkeypatch.setattr(dense, "BLOCK_ROWS", 1000)
    monkeypatch.setattr(dense, "BLOCK_CELLS", 50_000)
    tracemalloc.start()
    try:
        found = DenseInput(x, None, scaling)
        learning = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        out = found.transform(x, "float32")
        transforming = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert learning < x.nbytes and transforming < 1.5 * out.nbytes
    np.testing.assert_allclose(found.mean, whole.mean, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.scale, whole.scale, rtol=1e-12)
    np.testing.assert_allclose(out[: len(expected)], expected, rtol=1e-5, atol=1e-6)


def test_of_columns_equals_all_columns():
    curves = QuantileCurves(X, None)
    np.testing.assert_allclose(curves.of_columns(X, slice(1, 3)), curves(X)[:, 1:], atol=1e-12)
