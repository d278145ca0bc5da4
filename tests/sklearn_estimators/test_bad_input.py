"""Invalid input raises an error that names the parameter, and leaves the estimator unchanged."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: no estimators")

from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from handnn import losses
from handnn.sklearn import MLPRegressor
from tests.bounds import assert_same_bits
from tests.sklearn_estimators.fits import X, Y, fitted


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"solver": "adamw"}, ValueError, "solver must be one of adam, sgd, lbfgs, not 'adamw'"),
        ({"activation": "Relu"}, ValueError, "activation must be one of"),
        ({"activation": ["relu"]}, ValueError, "activation has 1 entries for 2 hidden layers"),
        ({"hidden_layer_sizes": (5, 0)}, ValueError, "hidden_layer_sizes must be > 0"),
        ({"hidden_layer_sizes": (5.5,)}, TypeError, "hidden_layer_sizes must be an int"),
        ({"dropout": 1.0}, ValueError, "dropout must be at least 0 and below 1"),
        ({"alpha": -1}, ValueError, "alpha must be finite and not negative"),
        ({"alpha": 1, "weight_decay": 1}, ValueError, "one of them must be 0"),
        ({"loss": "mse"}, ValueError, "loss must be one of squared_error"),
        ({"loss": losses.MAE}, TypeError, "loss must be a name or have forward"),
        ({"scale": 1}, ValueError, "scale must be True, False, 'quantile'"),
        ({"max_iter": 0}, ValueError, "max_iter must be at least 1"),
        ({"dtype": "float16"}, TypeError, "dtype must be float32 or float64"),
        ({"schedule": "step"}, ValueError, "schedule must be one of constant"),
        ({"n_jobs": 0}, ValueError, "n_jobs must be"),
        ({"solver": "lbfgs", "dropout": 0.1}, ValueError, "solver='lbfgs' needs dropout=0"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1"),
        ({"categories": "codes"}, ValueError, "categories must be one of"),
        ({"random_state": "x"}, ValueError, "random_state must be None, an int from 0"),
        ({"random_state": -1}, ValueError, "random_state must be None, an int from 0"),
        ({"verbose": "x"}, TypeError, "verbose must be a bool or an int"),
        ({"dtype": None}, TypeError, "dtype must be float32, float64 or 'auto'"),
        ({"scale": np.array([1, 2])}, ValueError, "scale must be True, False"),
        ({"hidden_layer_sizes": (), "activation": "x"}, ValueError, "activation must be one of"),
        (
            {"early_stopping": True, "validation_fraction": 0},
            ValueError,
            "Increase 'validation_fraction'",
        ),
        (
            {"early_stopping": True, "validation_fraction": 0.9999},
            ValueError,
            "validation_fraction=0.9999 leaves none of 300 rows",
        ),
    ],
    ids=str,
)
def test_rejects_bad_parameters(settings, error, text):
    model = MLPRegressor(**settings)
    with pytest.raises(error, match=text):
        model.fit(X, Y)
    assert not hasattr(model, "networks_") and not hasattr(model, "n_features_in_")


@pytest.mark.parametrize(
    "given",
    [
        X,
        (X,),
        (X[:5], Y[:4]),
        (X[:, :2], Y),
        (X[:0], Y[:0]),
        (X, Y * np.nan),
        (X, np.full(300, None)),
        (X, np.full(300, "a")),
        (X, np.stack([Y, Y], axis=1)),
        (X, Y, Y[:3]),
        (X, Y, -np.ones(300)),
        (X, Y, np.full(300, "a")),
    ],
    ids=range(12),
)
def test_rejects_bad_validation_data(given):
    with pytest.raises((TypeError, ValueError), match="^MLPRegressor.fit: validation_data"):
        MLPRegressor().fit(X, Y, validation_data=given)


@pytest.mark.parametrize(
    ("y", "text"),
    [
        (np.where(np.arange(300) == 7, None, Y), "y must hold numbers, but row 7 is nan"),
        (np.full(300, "a"), "y must hold numbers"),
        (Y * 1e300, "y has numbers too large"),
    ],
    ids=["gap", "text", "huge"],
)
def test_rejects_bad_targets(y, text):
    with pytest.raises(ValueError, match=text):
        MLPRegressor().fit(X, y)


def test_names_bad_weights():
    with pytest.raises(ValueError, match="MLPRegressor.fit: sample_weight must hold numbers"):
        MLPRegressor().fit(X, Y, np.full(300, "a"))


def test_rejects_numbers_too_large_to_scale():
    with pytest.raises(ValueError, match="X has numbers too large to be scaled, in column 1"):
        fitted(max_iter=1, scale=True).fit(X * [1, 1e300, 1], Y)


def test_a_failed_first_fit_leaves_no_model():
    model = MLPRegressor(learning_rate="constant", solver="sgd", scale=False)
    with pytest.raises(ArithmeticError):
        model.fit(1e6 * X, Y)
    with pytest.raises(NotFittedError):
        model.predict(X)
    with pytest.raises(NotFittedError):
        check_is_fitted(model)


@pytest.mark.parametrize("given", [{"validation_data": (X, Y)}, {"sample_weight": "x"}], ids=list)
def test_a_failed_fit_restores_the_model(given):
    model = fitted(max_iter=2)
    before = model.predict(X)
    with pytest.raises(ValueError):
        model.fit(X[:, :2], Y, **given)
    assert model.n_features_in_ == 3
    assert_same_bits(model.predict(X), before)
