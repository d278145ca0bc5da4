"""Nothing is learned from held-out rows."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: no estimators")

from sklearn.exceptions import ConvergenceWarning

import handnn
from handnn.sklearn import MLPClassifier, MLPRegressor, jobs
from handnn.sklearn.given_rows import GivenRows
from handnn.sklearn.held_out import choose_held_out
from tests.bounds import assert_same_bits

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 2))
Y = X[:, 0] + X[:, 1] ** 2


def early(kind=MLPRegressor, **settings):
    return kind(early_stopping=True, max_iter=3, random_state=0, **settings)


def quietly(model, *rows):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*rows)


@pytest.mark.parametrize("scale", [True, "quantile"])
def test_learns_scales_only_from_training_rows(scale, monkeypatch):
    from handnn.sklearn import base

    chosen = []

    def note(*arguments):
        chosen.append(choose_held_out(*arguments))
        return chosen[-1]

    monkeypatch.setattr(base, "choose_held_out", note)
    model = quietly(early(scale=scale, n_ensemble=2), X, Y)
    (held,) = chosen  # one choice for all networks
    assert held.sum() == 20
    plain = MLPRegressor(scale=scale, max_iter=1).fit(X[~held], Y[~held])
    assert_same_bits(model._inputs.mean, plain._inputs.mean)
    assert_same_bits(model._inputs.scale, plain._inputs.scale)
    assert_same_bits(model._target.mean, plain._target.mean)
    assert_same_bits(model._target.scale, plain._target.scale)
    x, y = X.copy(), Y.copy()
    x[held] *= 1000
    other = quietly(early(scale=scale, n_ensemble=2, restore_best=False), x, y)
    same = quietly(early(scale=scale, n_ensemble=2, restore_best=False), X, Y)
    assert_same_bits(other.coefs_[0], same.coefs_[0])


def test_categories_of_held_out_rows_are_unseen():
    text = np.array([f"row {row // 2}" for row in range(200)], object)  # each occurs twice
    rows = np.stack([text, X[:, 0].astype(object)], axis=1)
    model = quietly(early(validation_fraction=0.5), rows, Y)
    assert len(model._inputs.columns[0].labels) < 100
    assert np.isfinite(model.predict(rows)).all()


def test_gaps_only_in_held_out_rows():
    for seed in range(3):
        x = X.copy()
        x[RNG.integers(200), 0] = np.nan
        model = quietly(early().set_params(random_state=seed), x, Y)
        assert np.isfinite(model.predict(x)).all()


def test_learns_the_classes_of_all_rows():
    y = np.repeat([0, 1, 2], [98, 100, 2])
    model = quietly(early(MLPClassifier, validation_fraction=0.5), X, y)
    assert list(model.classes_) == [0, 1, 2]
    with pytest.raises(ValueError, match="least populated class"):
        early(MLPClassifier).fit(X, np.r_[y[:-1], 3])


def test_number_of_held_out_rows():
    rng = np.random.default_rng(0)
    assert choose_held_out(GivenRows(None, np.zeros(11)), 0.2, None, rng).sum() == 3
    strata = np.repeat([0, 1], [90, 10])
    held = choose_held_out(GivenRows(None, np.zeros(100)), 0.2, strata, rng)
    assert held[:90].sum() == 18 and held[90:].sum() == 2


@pytest.mark.parametrize("settings", [{}, {"early_stopping": True, "n_ensemble": 2}])
def test_groups_are_on_one_side(monkeypatch, settings):
    groups = RNG.integers(0, 25, 120)
    rows = np.c_[groups, RNG.normal(size=120)].astype(float)
    seen = []

    def noted(trainers, *, each, **arguments):
        if "rows" in arguments:
            for own, part in zip(each, arguments["rows"], strict=True):
                x = own["x"][:, 0]
                seen.append((x[part], np.delete(x, part)))
        else:
            for own in each:
                seen.append((own["x"][:, 0], own["validation"][0][:, 0]))
        return handnn.train_many(trainers, each=each, **arguments)

    monkeypatch.setattr(jobs, "train_many", noted)
    model = MLPRegressor(random_state=0, max_iter=2, n_jobs=2, scale=True, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rows, rows[:, 1], sample_weight=1.0 * (groups != 3), groups=groups)
    assert len(seen) % len(model.networks_) == 0  # a bag trains cycle by cycle
    for learned, held_out in seen:
        assert len(learned) and len(held_out)
        assert not set(learned.tolist()) & set(held_out.tolist())


def test_rejects_bad_groups():
    rows = RNG.normal(size=(100, 2))
    with pytest.raises(ValueError, match=r"MLPRegressor.fit: groups must have shape \(100,\)"):
        MLPRegressor().fit(rows, rows[:, 0], groups=[1, 2])
    with pytest.raises(ValueError, match="fit: groups must have two different values"):
        MLPRegressor().fit(rows, rows[:, 0], groups=np.ones(100))
