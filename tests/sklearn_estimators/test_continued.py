"""Continued trainings: warm_start and partial_fit."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: no estimators")

from sklearn.exceptions import ConvergenceWarning

from handnn import losses
from handnn.sklearn import MLPClassifier, MLPRegressor
from tests.sklearn_estimators.fits import X, Y, fitted


def test_warm_start_continues():
    once = fitted(max_iter=5, warm_start=True)
    networks, loss = once.networks_, once.loss_
    once.fit(X, Y)
    assert once.networks_ is networks and once.loss_ < loss
    with pytest.raises(ValueError, match="cannot change to"):
        once.set_params(hidden_layer_sizes=(3,)).fit(X, Y)


def test_partial_fit():
    model = MLPRegressor(random_state=0, learning_rate_init=0.01)
    for _ in range(40):
        model.partial_fit(X, Y)
    assert model.score(X, Y) > 0.95
    assert len(model.loss_curve_) == 40 and model.n_iter_ == 1 and model.t_ == 40 * 300
    assert model._optimizers[0].steps == 40 * -(-300 // 32)
    with pytest.raises(ValueError, match="early_stopping"):
        MLPRegressor(early_stopping=True).partial_fit(X, Y)
    assert not hasattr(MLPRegressor(solver="lbfgs"), "partial_fit")


def test_warm_start_extends_the_curves():
    model = MLPRegressor(random_state=0, warm_start=True, max_iter=3)
    for count in (1, 2, 3):
        model.fit(X, Y, validation_data=(X[:50], Y[:50]))
        assert len(model.loss_curve_) == len(model.validation_curve_) == 3 * count
        assert model.n_iter_ == len(model.histories_[0]) == 3 and model.t_ == 900 * count
        assert model.best_loss_ == min(model.loss_curve_)
    model.set_params(warm_start=False, early_stopping=False).fit(X, Y)
    assert len(model.loss_curve_) == 3 and model.validation_curve_ == [] and model.t_ == 900


def test_warm_start_extends_the_scores():
    model = MLPRegressor(random_state=0, warm_start=True, max_iter=2, early_stopping=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, Y).fit(X, Y)
    assert len(model.validation_scores_) == 4
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.t_ == 4 * 270  # held-out rows are not counted


def test_counts_rows_seen():
    model = MLPRegressor(random_state=0)
    for rows in (100, 50, 33):
        model.partial_fit(X[:rows], Y[:rows])
    assert model.t_ == 183


@pytest.mark.parametrize("rows", [5, 20])
def test_later_rows_outside_the_first_range_remain_distinct(rows):
    """Quantile scaling would clip all values beyond the range of the first rows."""
    model = MLPRegressor(random_state=0, dropout=0)
    for _ in range(20):
        for first in range(0, 300, rows):
            part = slice(first, first + rows)
            model.partial_fit(X[part], Y[part])
    assert model.score(X, Y) > 0.95
    assert MLPRegressor(scale="quantile").partial_fit(X, Y)._inputs.scaling == "quantile"


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"hidden_layer_sizes": (3, 3)},
            r"hidden_layer_sizes=\(128, 128\), which.*\(3, 3\)",
        ),
        ({"activation": "tanh"}, "activation="),
        ({"batch_norm": True}, "batch_norm=False, which cannot change to True"),
        ({"n_ensemble": 2}, "n_ensemble=1"),
        ({"loss": "huber"}, "loss='squared_error'"),
        ({"loss": losses.MSELoss()}, "loss='squared_error'"),
    ],
    ids=str,
)
def test_rejects_changes_of_the_architecture(settings, text):
    model = fitted(max_iter=1, warm_start=True)
    before = model.predict(X)
    with pytest.raises(ValueError, match=text):
        model.set_params(**settings).fit(X, Y)
    with pytest.raises(ValueError, match=text):
        model.partial_fit(X, Y)
    assert np.array_equal(model.predict(X), before)


def test_class_weights_of_a_batch_without_a_class():
    model = MLPClassifier(class_weight={"b": 2}, random_state=0)
    model.partial_fit(X[:9], np.full(9, "a"), classes=["a", "b"])
    assert list(model.classes_) == ["a", "b"]
