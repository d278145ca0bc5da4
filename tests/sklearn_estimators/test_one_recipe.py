"""One recipe: estimators, `train_file` and `fit_table` train the same networks, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: no estimators")

import handnn
from handnn import train_many
from handnn.sklearn import MLPClassifier, MLPRegressor, jobs
from handnn.tables import log_scale
from handnn.tables.fitting import fit_table
from handnn.tables.recipe import default_recipe
from tests.bounds import assert_same_bits

RNG = np.random.default_rng(0)
N = 170  # 136 of them are learned from: enough for bins


def table(*, has_text, has_gaps):
    size = np.exp(RNG.normal(4, 1, N)).round(2)
    columns = {"size": size.tolist(), "age": RNG.integers(0, 90, N).tolist(), "rare": [0.0] * N}
    columns["rare"][7] = 1.0
    if has_gaps:
        columns["age"][3] = None
    if has_text:
        columns["town"] = RNG.choice(["Ulm", "Bonn", "Kiel"], N).tolist()
    return columns, size


def targets(kind, size):
    noisy = size + RNG.normal(0, 20, N)
    if kind == "numbers":
        return noisy.round(3)
    if kind == "products":
        return (0.01 * size**2 * np.exp(RNG.normal(0, 0.1, N))).round(6)
    if kind == "two":
        return np.where(noisy > 60, "high", "low")
    return np.array(["low", "mid", "high"])[np.digitize(noisy, [40, 90])]


@pytest.mark.parametrize("quality", ["fast", "best"])
def test_qualities_are_those_of_train_file(tmp_path, quality):
    pl = pytest.importorskip("polars")
    columns, size = table(has_text=True, has_gaps=False)
    frame = pl.DataFrame({**columns, "y": targets("numbers", size)})
    frame.write_csv(tmp_path / "table.csv")
    model = handnn.train_file(tmp_path / "table.csv", "y", epochs=2, seed=1, quality=quality)
    rows = np.setdiff1d(np.arange(N), np.asarray(model.training.held_out.places) - 2)
    estimator = MLPRegressor(random_state=1, max_iter=2, quality=quality)
    estimator.fit(frame[rows].drop("y"), frame[rows]["y"].to_numpy())
    for one, other in zip(model.networks, estimator.networks_, strict=True):
        for name, array in one.params.items():
            assert_same_bits(other.params[name], array)


@pytest.mark.parametrize("kind", ["numbers", "products", "two", "three"])
@pytest.mark.parametrize("has_text", [False, True])
@pytest.mark.parametrize("has_gaps", [False, True])
def test_trains_the_same_networks(tmp_path, monkeypatch, kind, has_text, has_gaps):
    if kind == "products":  # whatever the pilot finds after three epochs
        monkeypatch.setattr(log_scale, "loss_ratio", lambda *_: 0.0)
    pl = pytest.importorskip("polars")
    columns, size = table(has_text=has_text, has_gaps=has_gaps)
    y = targets(kind, size)
    frame = pl.DataFrame({**columns, "y": y})
    frame.write_csv(tmp_path / "table.csv")
    model = handnn.train_file(tmp_path / "table.csv", "y", epochs=3, seed=4)
    held = model.training.held_out.places
    rows = np.setdiff1d(np.arange(N), np.asarray(held) - 2)  # lines from 1, after the header
    train = frame[rows]
    x, y_train = train.drop("y"), train["y"].to_numpy()
    is_regression = kind in ("numbers", "products")
    estimator = (MLPRegressor if is_regression else MLPClassifier)(random_state=4, max_iter=3)
    estimator.fit(x, y_train)
    recipe = default_recipe(len(rows), x.width, is_classes=not is_regression)
    by_recipe = fit_table(x, y_train, replace(recipe, epochs=3), rng=4)
    every = (model.networks, estimator.networks_, by_recipe.model.networks)
    assert len({len(networks) for networks in every}) == 1
    assert len(model.networks) in (16, 32, 48)  # without and with linear networks
    for one, *others in zip(*every, strict=True):
        for other in others:
            assert list(one.params) == list(other.params)
            for name, array in one.params.items():
                assert_same_bits(other.params[name], array)
    if is_regression:
        assert model.target.is_log == (kind == "products")
        np.testing.assert_allclose(estimator.predict(x), model.predict(x), rtol=1e-5)
        np.testing.assert_allclose(
            estimator.predict_interval(x, 0.8), model.predict_interval(x, 0.8), rtol=1e-4
        )
    else:
        np.testing.assert_allclose(estimator.predict_proba(x), model.predict_proba(x), atol=1e-6)


def test_threads_do_not_change_the_bits():
    x = RNG.normal(size=(80, 3))
    one, two = (
        MLPRegressor(random_state=0, max_iter=3, n_jobs=n_jobs).fit(x, x[:, 0]) for n_jobs in (1, 2)
    )
    for ours, theirs in zip(one.networks_, two.networks_, strict=True):
        for name, array in ours.params.items():
            assert_same_bits(theirs.params[name], array)


@pytest.mark.parametrize("draw", range(2))
def test_noise_is_not_learned(draw):
    """Half of the variance is noise; least squares is off by 0.08 to 0.42 in 24 draws."""
    x, new = RNG.normal(size=(120, 4)), RNG.normal(size=(1_000, 4))
    y = x[:, 0] + RNG.normal(size=120)
    model = MLPRegressor(random_state=0).fit(x, y)
    assert len(model.histories_) == 3 * default_recipe(120, 4).n_networks == 48
    assert model.score(x, y) < 0.8
    assert np.sqrt(np.square(model.predict(new) - new[:, 0]).mean()) < 0.5


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize(
    ("settings", "n_networks", "n_validation"),
    [
        ({}, 16, True),  # the linear kind alone
        ({"n_ensemble": 1}, 1, True),
        ({"n_ensemble": 20}, 20, True),
        ({"early_stopping": False}, 1, False),
        ({"early_stopping": True}, 1, True),
        ({"solver": "sgd"}, 1, False),
        ({"warm_start": True}, 1, False),
    ],
)
def test_one_argument_chooses_bag_or_network(settings, n_networks, n_validation):
    x = RNG.normal(size=(70, 2))
    model = MLPRegressor(random_state=0, max_iter=3, tol=0, **settings).fit(x, x[:, 0])
    assert len(model.networks_) == n_networks
    assert all(bool(history.validation_loss) == n_validation for history in model.histories_)


def test_partial_fit_continues_a_bag():
    x = RNG.normal(size=(70, 2))
    model = MLPRegressor(random_state=0, max_iter=3).fit(x, x[:, 0])
    before = [network.params["0.w"].copy() for network in model.networks_]
    model.partial_fit(x, x[:, 0])
    assert len(model.networks_) == 16  # the linear kind
    assert all(
        (network.params["0.w"] != w).any()
        for network, w in zip(model.networks_, before, strict=True)
    )


def test_sample_weights_reach_every_network():
    x = np.tile([[0.0], [1.0]], (40, 1))
    y = np.r_[np.zeros(40), np.ones(40)] * 10
    weight = np.where(y > 5, 3.0, 1.0)
    model = MLPRegressor(random_state=0).fit(x, y, weight)
    np.testing.assert_allclose(model.predict(x[:2]), 7.5, atol=0.7)


def test_ctrl_c_keeps_trained_weights(monkeypatch):
    def interrupted(trainers, *arguments, **settings):
        first = {name: settings[name][:3] for name in ("rows", "each")}
        train_many(trainers[:3], *arguments, **{**settings, **first})
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "train_many", interrupted)
    x = RNG.normal(size=(70, 2))
    model = MLPRegressor(random_state=0, max_iter=2)
    with pytest.warns(UserWarning, match="interrupted") as caught:
        model.fit(x, x[:, 0])
    assert caught[0].filename == __file__
    assert len(model.networks_) == 3 and np.isfinite(model.predict(x)).all()


def test_intervals_and_sets_are_those_of_the_table_model():
    x = RNG.normal(size=(120, 3))
    y = x[:, 0] + RNG.normal(size=120)
    recipe = replace(default_recipe(120, 3), epochs=5)
    model = MLPRegressor(random_state=0, max_iter=5).fit(x, y)
    fitted = fit_table(x, y, recipe, rng=0).model
    for coverage in (0.5, 0.9):
        np.testing.assert_allclose(
            model.predict_interval(x, coverage), fitted.predict_interval(x, coverage), rtol=1e-4
        )
    labels = np.where(y > 0, "yes", "no")
    classifier = MLPClassifier(random_state=0, max_iter=5).fit(x, labels)
    recipe = replace(default_recipe(120, 3, is_classes=True), epochs=5)
    by_recipe = fit_table(x, labels, recipe, rng=0).model
    assert classifier.predict_set(x, 0.8).shape == (120, 2)
    assert (classifier.predict_set(x, 0.8) == by_recipe.predict_set(x, 0.8)).mean() > 0.99
    two = MLPRegressor(random_state=0, max_iter=5).fit(x, np.c_[y, 10 * y])
    assert two.predict_interval(x).shape == (120, 2, 2)


def test_a_single_network_has_no_intervals():
    x = RNG.normal(size=(120, 3))
    model = MLPRegressor(random_state=0, max_iter=2, early_stopping=False).fit(x, x[:, 0])
    with pytest.raises(ValueError, match="predict_interval needs a bag"):
        model.predict_interval(x)
    classifier = MLPClassifier(random_state=0, max_iter=2).fit(x[:31], x[:31, 0] > 0)
    with pytest.raises(ValueError, match="predict_set needs a bag"):
        classifier.predict_set(x)
