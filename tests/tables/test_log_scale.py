"""A logarithmic scale for positive targets: where it is chosen, and what it predicts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import handnn
from handnn.tables import Columns, log_scale
from handnn.tables.bagging import draw_folds
from handnn.tables.fitting import fit_table
from handnn.tables.log_scale import LogScale, SquaredError, chosen_log_scale, loss_ratio
from handnn.tables.recipe import default_recipe
from handnn.training.many import train_many
from tests.bounds import assert_same_bits

N = 240
RECIPE = default_recipe(160, 3)


def products(seed, noise=0.2):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, 3))
    return x, np.exp(x @ [1.0, 0.7, -0.5] + rng.normal(0, noise, N))


def sums(seed):
    rng = np.random.default_rng(seed)
    x = rng.exponential(size=(N, 3))
    return x, 0.01 + x @ [3.0, 2.0, 1.0] + rng.exponential(0.1, N)


@pytest.fixture(scope="module")
def fitted():
    x, y = products(0)
    return fit_table(x[:160], y[:160], RECIPE, rng=0).model


def test_products_are_learned_as_logarithms(fitted):
    x, y = products(0)
    recipe = replace(RECIPE, has_log=False)
    plain = fit_table(x[:160], y[:160], recipe, rng=0).model
    ours, theirs = (np.mean((m.predict(x[160:]) - y[160:]) ** 2) for m in (fitted, plain))
    assert fitted.target.is_log and ours < theirs


@pytest.mark.parametrize("n_bins", [2, 4])
def test_sums_are_not(n_bins):
    """The pilot ends lines with least squares: its short training does not."""
    x, y = sums(0)
    assert LogScale.of(y[:, None]) is not None
    recipe = replace(RECIPE, n_bins=n_bins)
    assert not fit_table(x[:160], y[:160], recipe, rng=0).model.target.is_log


@pytest.mark.parametrize(
    "y",
    [
        [0.0, 1, 2, 100],
        [-1.0, 1, 2, 100],
        [1.0, 2, 3, 9],
        [1.0, 90, 95, 100],
        [[1.0, 1.0], [2.0, 2.0], [100.0, 100.0]],
    ],
)
def test_targets_that_a_logarithm_does_not_suit(y):
    values = np.array(y)
    assert LogScale.of(values.reshape(len(values), -1)) is None


def test_what_is_encoded_is_decoded():
    y = np.array([[1.0], [2.0], [4.0], [100.0]])
    scale = LogScale.of(y)
    encoded = scale.encode(y)
    assert encoded.mean() == pytest.approx(0, abs=1e-12) and encoded.std() == pytest.approx(1)
    network = handnn.Network([handnn.Affine(np.eye(1), np.zeros(1))])
    scale.unscale([network])
    target = scale.target(1.5)
    np.testing.assert_allclose(target.decode(network.predict(encoded)), 1.5 * y[:, 0])
    np.testing.assert_allclose(target.unstandardize(target.encode(y)), y)
    again = handnn.Target.from_dict(target.to_dict())
    assert again.is_log and again.to_dict() == target.to_dict()
    assert repr(target) == "Target(regression, logarithmic: 7.977)"
    with pytest.raises(ValueError, match="above 0"):
        target.encode([0.0])


def test_a_row_of_weight_two_is_two_rows():
    y = np.array([[1.0], [2.0], [4.0], [100.0]])
    twice = np.concatenate([y, y[1:2]])
    one, other = LogScale.of(y, np.array([1.0, 2, 1, 1])), LogScale.of(twice)
    assert (one.center, one.spread) == pytest.approx((other.center, other.spread))


def test_only_a_squared_regression_has_logarithms():
    for settings in ({"task": "binary", "classes": ["a", "b"]}, {"objective": "poisson"}):
        with pytest.raises(ValueError, match="is_log needs"):
            handnn.Target(**{"task": "regression", "is_log": True, **settings})
    entry = {**handnn.Target.learn([1.5, 2]).to_dict(), "is_log": True, "objective": "poisson"}
    with pytest.raises(handnn.FormatError, match="is_log"):
        handnn.Target.from_dict(entry)


def test_the_loss_is_that_of_the_values():
    assert SquaredError(2.0).forward(np.log([[3.0]]), np.array([[7.0]])) == pytest.approx(4.0)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("unit", [1.0, 1e-170, 1e170])
def test_answers_without_error_and_squares_out_of_range(unit):
    y = unit * np.array([[1.0], [2.0], [30.0]])
    assert not loss_ratio(y * 1.1, y, y) < 0.95
    assert not loss_ratio(y * 0.0, y * 1.1, y) < 0.95
    assert (loss_ratio(y, y * 2, y) < 0.95) == (unit >= 1)


@pytest.mark.parametrize(
    ("n_rows", "epochs", "ratio_found", "n_parts", "is_log"),
    [(60, 30, 0.94, 4, True), (600, 24, 0.96, 3, False), (1_600, 10, 0.94, 2, True)],
)
def test_the_pilot_is_one_cosine_of_few_epochs(
    monkeypatch, n_rows, epochs, ratio_found, n_parts, is_log
):
    rng, n_trained, held, lengths = np.random.default_rng(0), [], [], []

    def ratio(of_logs, plain, y, weight):
        held.append(len(y))
        return ratio_found

    monkeypatch.setattr(log_scale, "loss_ratio", ratio)
    x = rng.normal(size=(n_rows, 2))
    y = np.exp(x[:, :1] + x[:, 1:])
    recipe = replace(default_recipe(n_rows, 2).with_hidden((4,)), epochs=30, has_linear=False)
    columns = Columns.learn(x)

    def train(trainers, *args, **arguments):
        histories = train_many(trainers, *args, **arguments)
        n_trained.append(len(trainers))
        lengths.extend(map(len, histories))
        assert not arguments["early_stopping"].restore_best
        for trainer in trainers:  # at the end of their training
            assert trainer.optimizer.schedule.factors(trainer.optimizer.steps, 1) == 0
        return histories

    fold = draw_folds(n_rows, recipe.n_folds, None, rng)
    rows = columns.transform(x, "float32")
    scale = chosen_log_scale(recipe, columns, rows, y, fold, None, rng, train)
    assert (scale is not None) == is_log
    assert n_trained == [n_parts, n_parts]
    assert held == [(fold < n_parts * recipe.n_folds // 4).sum()]
    assert set(lengths) == {epochs}


def test_the_pilot_of_weighted_rows_in_order(monkeypatch):
    x = np.random.default_rng(0).normal(size=(90, 2))
    y = np.exp(x[:, :1] + x[:, 1:])
    learned = []

    def ratio(of_logs, plain, y, weight):
        assert np.array_equal(weight, 2 * y[:, 0])
        assert np.average(of_logs[:, 0], weights=weight) == pytest.approx(
            np.average(y[:, 0], weights=weight)
        )
        return 1.0

    def train(trainers, *args, rows, **arguments):
        learned.extend(rows)
        return train_many(trainers, *args, rows=rows, **arguments)

    monkeypatch.setattr(log_scale, "loss_ratio", ratio)
    recipe = replace(default_recipe(90, 2).with_hidden((4,)), epochs=2, has_linear=False)
    columns, rng = Columns.learn(x), np.random.default_rng(0)
    fold = np.arange(90) // 10 - 1
    rows, weight = columns.transform(x, "float32"), 2 * y[:, 0]
    chosen_log_scale(recipe, columns, rows, y, fold, weight, rng, train)
    assert [part.tolist() for part in learned] == [list(range(n)) for n in (10, 30, 50, 70)] * 2


def test_predictions_have_the_mean_of_the_target_on_held_out_rows(fitted):
    x, y = products(0)
    assert fitted.target.is_log
    assert fitted.predict(x[:160]).mean() == pytest.approx(y[:160].mean(), rel=0.05)


def test_intervals_are_relative_and_positive(fitted, tmp_path):
    x, y = products(0)
    low, high = fitted.predict_interval(x, 0.9).T
    answers = fitted.predict(x)
    np.testing.assert_allclose(high / answers, high[0] / answers[0])
    np.testing.assert_allclose(low * high, answers**2)
    assert low.min() > 0 and 0.8 < np.mean((low <= y) & (y <= high))[()] <= 1
    three = fitted.with_interval(0.9).predict(x)
    np.testing.assert_allclose(three, np.stack([answers, low, high], axis=1), rtol=1e-6)
    fitted.save(tmp_path / "model")
    loaded = handnn.TableModel.load(tmp_path / "model")
    assert_same_bits(loaded.predict(x), answers)
