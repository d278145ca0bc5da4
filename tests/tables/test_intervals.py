"""Intervals and sets: bounds by hand, and coverage on new rows."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

import handnn
from handnn.tables.fitting import fit_table
from handnn.tables.intervals import Band, HeldOutErrors, held_out_outputs
from handnn.tables.recipe import default_recipe, single_recipe
from tests.bounds import assert_same_bits


def test_bound_is_an_order_statistic():
    errors = HeldOutErrors.of(np.array([[3.0], [1.0], [4.0], [2.0]]))
    assert errors.errors == ((1.0, 2.0, 3.0, 4.0),)
    for coverage, expected in ((0.2, 1), (0.21, 2), (0.4, 2), (0.6, 3), (0.8, 4)):
        assert errors.bound(coverage, "f").tolist() == [expected]
    with pytest.raises(ValueError, match=r"f: coverage=0.9 needs 9 or more held-out rows"):
        errors.bound(0.9, "f")
    for coverage in (1e-12, 1e-320):
        assert errors.bound(coverage, "f").tolist() == [1]
    for coverage in (0, 1, -0.1, 1.5):
        with pytest.raises(ValueError, match="coverage"):
            errors.bound(coverage, "f")
    with pytest.raises(TypeError, match="f: coverage"):
        errors.bound("0.9", "f")


def test_many_errors_are_kept_as_quantiles():
    values = np.random.default_rng(0).permutation(25_000)[:, None] + 1.0
    errors = HeldOutErrors.of(values)
    assert errors.n_rows == 25_000 and len(errors.errors[0]) == 1_000
    for coverage in (0.5, 0.9, 0.999):
        assert errors.bound(coverage, "f")[0] == pytest.approx(coverage * 25_000, abs=26)
        assert errors.bound(coverage, "f")[0] >= coverage * 25_000


def test_bands_by_hand():
    y = np.array([[0.0], [0.0]])
    assert Band.of_answers(np.array([[2.0], [-1.0]])).errors(y).errors == ((1.0, 2.0),)
    quantiles = Band(np.array([[-1.0], [1.0]]), np.array([[2.0], [3.0]]), np.ones((2, 1)))
    assert quantiles.errors(y).errors == ((-1.0, 1.0),)
    scaled = Band(np.array([[2.0], [-1.0]]), np.array([[2.0], [-1.0]]), np.array([[4.0], [1.0]]))
    assert scaled.errors(y).errors == ((0.5, 1.0),)
    assert scaled.interval(np.array([0.5])).tolist() == [[[0, 4]], [[-1.5, -0.5]]]
    assert quantiles.interval(np.array([-2.0])).tolist() == [[[0, 1]], [[1, 3]]]  # they cross
    several = Band.mean([quantiles, scaled])
    assert several.low.tolist() == [[0.5], [0]] and several.unit.tolist() == [[2.5], [1]]


def test_normal_scores_are_those_of_ranks():
    errors = HeldOutErrors.of(np.array([[0.1], [0.2], [0.2], [0.4]]))
    normal = NormalDist()
    expected = [
        normal.inv_cdf(level) for level in (1 / 8, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 7 / 8, 7 / 8)
    ]
    found = errors.normal_scores(np.array([0.0, 0.1, 0.15, 0.2, 0.3, 0.4, 0.9]))
    assert found.tolist() == pytest.approx(expected)


def test_sets_by_hand():
    errors = HeldOutErrors.of(np.linspace(0.05, 0.95, 19)[:, None])
    probabilities = np.array([[0.7, 0.2, 0.1], [0.35, 0.4, 0.25]])
    scores = errors.set_scores([np.log(probabilities)])

    def sets(coverage):
        return (scores <= errors.limit(coverage, "f")).tolist()

    assert sets(0.6) == [[True, False, False], [False, True, False]]  # the 12th error is 0.6
    assert sets(0.7) == [[True, False, False], [True, True, False]]
    assert sets(0.95) == [[True] * 3] * 2
    half = replace(errors, agreement=0.5)
    assert half.limit(0.7, "f") == errors.limit(0.7, "f") / 2
    assert errors.allows(0.95) and not errors.allows(0.96)


def test_sets_average_the_normal_scores_of_folds():
    errors = HeldOutErrors.of(np.linspace(0.05, 0.95, 19)[:, None])
    one, other = np.array([[2.0]]), np.array([[-1.0]])
    alone = [errors.set_scores([outputs]) for outputs in (one, other)]
    mean = errors.set_scores([(one + other) / 2])
    assert errors.set_scores([one, other]).tolist() == mean.tolist()  # one fold, by default
    both = replace(errors, n_folds=2).set_scores([one, other])
    assert both == pytest.approx((alone[0] + alone[1]) / 2)


def test_each_row_is_answered_by_the_network_that_holds_it_out():
    networks = [handnn.Network([handnn.Affine([[0.0]], [float(place)])]) for place in (10, 20, 30)]
    fold = np.array([1, 0, 1, 0])
    rows, outputs = held_out_outputs(networks, np.zeros((4, 1)), fold)
    assert rows.tolist() == [1, 3, 0, 2] and outputs[:, 0].tolist() == [10, 10, 20, 20]


def noisy(n_rows, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_rows, 3))
    return x, x[:, 0] + np.sin(2 * x[:, 1]) + rng.standard_t(4, n_rows)


def test_intervals_cover_new_rows():
    found = {coverage: [] for coverage in (0.8, 0.9, 0.95)}
    for seed in range(4):
        x, y = noisy(400, seed)
        model = fit_table(x, y, replace(default_recipe(400), epochs=40), rng=0).model
        x_new, y_new = noisy(4_000, 100 + seed)
        for coverage, shares in found.items():
            low, high = model.predict_interval(x_new, coverage).T
            shares.append(np.mean((low <= y_new) & (y_new <= high)))
    for coverage, shares in found.items():
        assert coverage - 0.02 < np.mean(shares) < coverage + 0.03


def test_sets_cover_new_rows():
    found = {coverage: [] for coverage in (0.8, 0.9, 0.95)}
    for seed in range(4):
        x, y = noisy(400, seed)
        x_new, y_new = noisy(4_000, 100 + seed)
        classes, classes_new = (np.digitize(given, [-0.7, 0.7]) for given in (y, y_new))
        model = fit_table(x, classes, replace(default_recipe(400), epochs=40), rng=0).model
        for coverage, shares in found.items():
            sets = model.predict_set(x_new, coverage)
            assert sets.shape == (4_000, 3) and sets.dtype == bool
            shares.append(np.mean(sets[np.arange(4_000), classes_new]))
    for coverage, shares in found.items():
        assert coverage - 0.025 < np.mean(shares) < coverage + 0.025


def test_a_file_carries_the_errors(tmp_path):
    x, y = noisy(100, 0)
    model = fit_table(x, y, replace(default_recipe(100), epochs=2), rng=0).model
    model.save(tmp_path / "m.safetensors")
    loaded = handnn.TableModel.load(tmp_path / "m.safetensors")
    assert loaded.held_out == model.held_out and model.held_out.n_rows == 100
    assert_same_bits(loaded.predict_interval(x[:5]), model.predict_interval(x[:5]))


@pytest.mark.parametrize(
    "entry",
    [
        {},
        [],
        {"n_rows": 2, "errors": [[1.0]], "agreement": 1.0, "n_folds": 1},
        {"n_rows": 2, "errors": [[2.0, 1.0]], "agreement": 1.0, "n_folds": 1},
        {"n_rows": 2, "errors": [[-1.0, 1.0]], "agreement": 1.0, "n_folds": 1},
        {"n_rows": 2, "errors": [[1.0, 2.0], [1.0, 2.0]], "agreement": 1.0, "n_folds": 1},
        {"n_rows": "2", "errors": [[1.0, 2.0]], "agreement": 1.0, "n_folds": 1},
        {"n_rows": 2, "errors": [["a", "b"]], "agreement": 1.0, "n_folds": 1},
        {"n_rows": 2, "errors": [[1.0, 2.0]], "agreement": 0.0, "n_folds": 1},
        {"n_rows": 2, "errors": [[1.0, 2.0]], "agreement": 1.5, "n_folds": 1},
        {"n_rows": 2, "errors": [[1.0, 2.0]], "agreement": 1.0, "n_folds": 0},
    ],
)
def test_rejects_invalid_entries(entry):
    with pytest.raises(ValueError, match="errors on held-out rows"):
        HeldOutErrors.from_dict(entry, 1)


def test_models_without_held_out_rows_have_no_intervals():
    x, y = noisy(70, 0)
    model = fit_table(x, y, replace(single_recipe(70), epochs=1), rng=0).model
    with pytest.raises(
        ValueError, match="predict_interval: the model has no errors on held-out rows"
    ):
        model.predict_interval(x)
    with pytest.raises(ValueError, match="needs a classifier, but the task is regression"):
        model.predict_set(x)
    classes = fit_table(x, y > 0, replace(default_recipe(70), epochs=1), rng=0).model
    with pytest.raises(
        ValueError, match="needs a regression, but the target has classes; see predict_set"
    ):
        classes.predict_interval(x)


def test_three_outputs_are_the_value_and_its_interval():
    x, y = noisy(80, 0)
    two = np.stack([y, 10 * y + 3], axis=1)
    model = fit_table(x, two, replace(default_recipe(80), epochs=2), rng=0).model
    found = model.with_interval(0.8).predict(x[:5]).reshape(5, 2, 3)
    np.testing.assert_allclose(found[:, :, 0], model.predict(x[:5]), rtol=1e-12)
    np.testing.assert_allclose(found[:, :, 1:], model.predict_interval(x[:5], 0.8), rtol=1e-6)
    assert model.networks[0].layers[-1].w.shape[1] == 2
    classes = fit_table(x, y > 0, replace(default_recipe(80), epochs=1), rng=0).model
    with pytest.raises(ValueError, match="with_interval needs a regression"):
        classes.with_interval()
