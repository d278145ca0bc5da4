"""The networks and solvers of the estimators: layers, schedules, dtypes, L-BFGS, and n_jobs."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: no estimators")

import joblib
from sklearn.exceptions import ConvergenceWarning

from handnn import Dropout, schedules
from handnn.sklearn import MLPRegressor, base
from handnn.sklearn.jobs import run_jobs
from tests.bounds import assert_same_bits
from tests.sklearn_estimators.fits import X, Y, fitted


def test_builds_the_requested_layers():
    model = fitted(
        hidden_layer_sizes=(8, 4),
        activation=("gelu", "tanh"),
        dropout=(0.0, 0.3),
        batch_norm=True,
        max_iter=2,
        n_ensemble=8,  # without linear networks
    )
    names = [type(layer).__name__ for layer in model.networks_[0].layers]
    first, second = ["Affine", "BatchNorm", "GELU"], ["Affine", "BatchNorm", "Tanh", "Dropout"]
    assert names == [*first, *second, "Affine"]
    n_after = model._inputs.n_after  # columns and bins
    assert [w.shape for w in model.coefs_] == [(n_after, 8), (8, 4), (4, 1)]
    assert [b.shape for b in model.intercepts_] == [(8,), (4,), (1,)]
    assert model.networks_[0].layers[6].p == 0.3


def test_dropout_by_default():
    shares = {
        rows: [layer.p for layer in model.networks_[0].layers if isinstance(layer, Dropout)]
        for rows in (64, 65)
        for model in [MLPRegressor(max_iter=1, early_stopping=False).fit(X[:rows], Y[:rows])]
    }
    assert shares == {64: [], 65: [0.1, 0.1]}
    for settings in ({"alpha": 1.0}, {"dropout": 0.0}, {"solver": "lbfgs"}, {"solver": "sgd"}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = fitted(max_iter=1, **settings)
        assert not any(isinstance(layer, Dropout) for layer in model.networks_[0].layers)


def test_batch_norm_avoids_batches_of_one_row():
    rows = 65
    model = MLPRegressor(batch_norm=True, batch_size=32, max_iter=2).fit(X[:rows], Y[:rows])
    assert model.n_iter_ == 2


@pytest.mark.parametrize("name", ["constant", "cosine", "one_cycle", "plateau"])
def test_schedules_by_name(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert fitted(schedule=name, learning_rate_init=0.01).score(X, Y) > 0.9


def test_copies_a_schedule_object():
    schedule = schedules.ReduceOnPlateau(0.5, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted(schedule=schedule)
    assert schedule.factor_now == 1 and schedule.best == np.inf


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtypes(dtype):
    model = fitted(dtype=dtype, max_iter=1)
    assert model.networks_[0].dtype == dtype == model.coefs_[0].dtype


def test_seed_determines_the_model():
    assert_same_bits(fitted(max_iter=3).predict(X), fitted(max_iter=3).predict(X))
    other = fitted(max_iter=3, random_state=1)
    assert not np.array_equal(other.predict(X), fitted(max_iter=3).predict(X))


def test_lbfgs_warns_unless_converged():
    with pytest.warns(ConvergenceWarning, match="max_iter=2, max_fun=15000") as caught:
        MLPRegressor(solver="lbfgs", max_iter=2).fit(X, Y)
    assert caught[0].filename == __file__


def test_max_fun_ends_lbfgs():
    with pytest.warns(ConvergenceWarning, match="max_fun=8"):
        model = fitted(solver="lbfgs", max_fun=8, max_iter=100)
    assert 1 <= model.n_iter_ <= 8
    with pytest.warns(ConvergenceWarning):
        longer = fitted(solver="lbfgs", max_fun=16, max_iter=100)
    assert longer.n_iter_ > model.n_iter_


def test_lbfgs_ignores_early_stopping():
    """As in scikit-learn, so that one grid can hold all solvers."""
    settings = {"solver": "lbfgs", "max_iter": 5}
    with pytest.warns(ConvergenceWarning):
        models = [fitted(early_stopping=early, **settings) for early in (True, False)]
    assert_same_bits(models[0].predict(X), models[1].predict(X))
    assert models[0].validation_scores_ is None and models[0].best_loss_ > 0


def test_warnings_point_at_the_call_of_fit():
    with pytest.warns(ConvergenceWarning) as caught:
        MLPRegressor(max_iter=1, schedule="constant", early_stopping=False).fit(X, Y)
    assert caught[0].filename == __file__


def test_no_hidden_layer_is_a_linear_model():
    y = X @ [3.0, 0.1, 50]
    model = fitted(y, hidden_layer_sizes=(), scale=True, max_iter=200)
    assert [w.shape for w in model.coefs_] == [(3, 1)] and model.n_layers_ == 2
    assert model.score(X, y) > 0.99


def test_accepts_numpy_bools():
    flags = ("shuffle", "warm_start", "batch_norm", "restore_best", "nesterovs_momentum", "scale")
    for value in (True, False):
        models = [
            fitted(max_iter=2, solver=solver, **dict.fromkeys(flags, kind(value)))
            for kind in (bool, np.bool_)
            for solver in ("adam",)
        ]
        assert_same_bits(models[0].predict(X), models[1].predict(X))


def test_sets_coefs():
    model, other = (fitted(max_iter=2, random_state=seed, early_stopping=False) for seed in (0, 1))
    network = model.networks_[0]
    model.coefs_, model.intercepts_ = other.coefs_, other.intercepts_
    assert_same_bits(model.predict(X), other.predict(X))
    assert model.networks_[0] is network and model.coefs_[0] is not other.coefs_[0]
    with pytest.raises(ValueError, match="MLPRegressor: coefs_ must have the shapes"):
        model.coefs_ = other.coefs_[:2]
    assert_same_bits(model.predict(X), other.predict(X))


def test_n_jobs_follows_joblib(monkeypatch):
    threads = []

    def count(factory, jobs, number):
        threads.append(number)
        return run_jobs(factory, jobs, number)

    monkeypatch.setattr(base, "run_jobs", count)
    fitted(max_iter=1, n_ensemble=2, early_stopping=False)
    with joblib.parallel_config("threading", n_jobs=2):
        fitted(max_iter=1, n_ensemble=2, early_stopping=False)
    assert threads == [1, 2]
