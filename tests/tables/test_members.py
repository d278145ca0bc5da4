"""The members of a bag, and how held-out rows choose among them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from handnn import Affine, BCEWithLogits, MSELoss, Network, PoissonNLL, TableModel, metrics
from handnn.losses.loss import LINKS
from handnn.tables.bagging import draw_folds
from handnn.tables.fitting import fit_table
from handnn.tables.intervals import held_out_outputs
from handnn.tables.members import chosen_members, members_of, output_of_mean
from handnn.tables.recipe import default_recipe

RNG = np.random.default_rng(0)


def constant(value):
    """Return a network that ignores its input."""
    return Network([Affine(np.zeros((1, 1), "float32"), np.array([value], "float32"))])


@pytest.mark.parametrize(("linear", "chosen"), [(3.0, (0, 4)), (5.5, (0, 2)), (2.1, (2, 4))])
def test_the_networks_with_the_lowest_loss_are_the_bag(linear, chosen):
    """The target is 2 and the first networks say 1; with 3 the mean is right."""
    recipe = replace(default_recipe(100), n_networks=2, n_folds=2)
    networks = [constant(value) for value in (1, 1, linear, linear)]
    x, y = np.zeros((10, 1), "float32"), np.full((10, 1), 2.0)
    fold = np.arange(10) % 2
    found = chosen_members(networks, recipe, MSELoss(), x, y, fold)
    assert found.networks == networks[slice(*chosen)]


@pytest.mark.parametrize(
    ("loss", "target", "values", "mean"),
    [
        (BCEWithLogits(), 1.0, (-1.0, 3.0), 1 / (1 + np.exp(1)) / 2 + 1 / (1 + np.exp(-3)) / 2),
        (PoissonNLL(), 2.0, (0.0, np.log(3)), 2),
    ],
)
def test_the_mean_is_that_of_predictions(loss, target, values, mean):
    """As of the model, not of the outputs."""
    outputs = [np.full((3, 1), value) for value in values]
    found = output_of_mean(outputs, loss.link)
    assert loss.apply_link(found) == pytest.approx(mean)
    recipe = replace(default_recipe(100), n_networks=2, n_folds=2)
    networks = [constant(value) for value in np.repeat(values, 2)]
    x, y = np.zeros((10, 1), "float32"), np.full((10, 1), target)
    choice = chosen_members(networks, recipe, loss, x, y, np.arange(10) % 2)
    alone = [loss.forward(output, y[:3]) for output in outputs]
    together = loss.forward(found, y[:3])
    assert choice.loss == pytest.approx(min(*alone, together), rel=1e-6)
    assert len(choice.networks) == (4 if together < min(alone) else 2)


def test_the_mean_of_classes_is_that_of_probabilities():
    outputs = [np.array([[0.0, 0, 5]]), np.array([[700.0, 0, 0]])]
    found = output_of_mean(outputs, "softmax")
    expected = np.mean([LINKS["softmax"](output) for output in outputs], axis=0)
    assert LINKS["softmax"](found) == pytest.approx(expected, abs=1e-15)
    assert output_of_mean(outputs[:1], "softmax") is outputs[0]


def test_out_of_fold_predictions_use_networks_that_hold_the_row_out():
    fold = draw_folds(9, 3, None, np.random.default_rng(0))
    networks = [constant(value) for value in (1, 2, 3, 5, 6, 7)]
    rows, found = held_out_outputs(networks, np.zeros((9, 1), "float32"), fold)
    assert found[:, 0].tolist() == (fold[rows] + 3).tolist()


def test_linear_networks_fit_a_linear_table():
    """Without linear networks, the distance from the true line is at least a quarter larger."""
    x = RNG.normal(size=(400, 8))
    y = x @ np.arange(8) + RNG.normal(size=400)
    new = RNG.normal(size=(2_000, 8))
    recipe = default_recipe(400, 8)
    errors = []
    for has_linear in (True, False):
        model = fit_table(x, y, replace(recipe, has_linear=has_linear), rng=0).model
        errors.append(np.sqrt(np.mean((model.predict(new) - new @ np.arange(8)) ** 2)))
    assert errors[0] < 0.8 * errors[1]


def test_members():
    recipe = default_recipe(1_000, 10)
    first, linear, straight = members_of(recipe)
    assert first is recipe and linear.hidden == () and linear.n_bins == recipe.n_bins > 0
    assert straight == replace(linear, is_straight=True)
    assert members_of(replace(recipe, n_bins=0)) == [replace(r, n_bins=0) for r in (first, linear)]
    assert members_of(replace(recipe, has_linear=False)) == [replace(recipe, has_linear=False)]
    assert len(members_of(default_recipe(31))) == 1  # no folds


def test_classes_are_learned_at_twice_the_rate_except_by_linear_networks():
    of_values = members_of(default_recipe(1_000, quality="best"))
    of_classes = members_of(default_recipe(1_000, quality="best", is_classes=True))
    assert [member.lr for member in of_values] == [0.01, 0.02, 0.02] * 2 + [0.01] * 3 + [0.02]
    assert [member.lr for member in of_classes] == [0.02] * 7 + [0.01] * 2 + [0.02]


def test_classes_with_little_noise_need_the_higher_rate():
    losses = []
    for seed in range(2):
        x = np.random.default_rng(seed).normal(size=(800, 6))
        y = ((x[:, 0] > 0.3) & (x[:, 1] > -0.3)) | (x[:, 2] > 1.2)
        for is_classes in (False, True):
            recipe = replace(default_recipe(400, 6, is_classes=is_classes), has_linear=False)
            model = fit_table(x[:400], y[:400], recipe, rng=0).model
            losses.append(metrics.log_loss(y[400:], model.predict_proba(x[400:])))
    assert losses[1] < 0.97 * losses[0] and losses[3] < 0.97 * losses[2]


def test_is_saved_with_its_linear_networks(tmp_path):
    x = RNG.normal(size=(200, 3))
    recipe = replace(default_recipe(200, 3), epochs=4)
    model = fit_table(x, x[:, 0] + 0.1 * x[:, 1], recipe, rng=0).model
    model.save(tmp_path / "model.safetensors")
    again = TableModel.load(tmp_path / "model.safetensors")
    assert len(again.networks) == len(model.networks)
    assert np.array_equal(again.predict(x), model.predict(x))


def test_the_greedy_choice_adds_what_lowers_the_loss_of_the_mean():
    """Answers 1, 2.5 and 0 to 2: 2.5 is the best alone, 1 improves it, 0 does not."""
    recipe = replace(default_recipe(1_000), n_networks=2, n_folds=2)
    networks = [constant(value) for value in (1, 1, 2.5, 2.5, 0, 0)]
    x, y = np.zeros((10, 1), "float32"), np.full((10, 1), 2.0)
    found = chosen_members(networks, recipe, MSELoss(), x, y, np.arange(10) % 2)
    assert found.networks == networks[:4] and found.loss == 0.0625
    assert list(found.losses.values()) == [1, 0.25, 4]
    assert str(found).endswith("the bag: 128-128 relu, dropout 0.1 and linear")


@pytest.mark.parametrize(("noise", "chosen"), [(1.1, [6, 7]), (1.5, [0, 3, 1, 4])])
def test_further_members_need_a_gain_of_one_standard_error(noise, chosen):
    """The target is 2 and noise. Members answer 1, 2.5 and 0, and further ones 1.95 and 2.04."""
    recipe = replace(default_recipe(1_000, quality="best"), n_networks=2, n_folds=2)
    networks = [constant(value) for value in np.repeat([1, 2.5, 0, 1, 2.5, 0, 1.95, 2.04], 2)]
    x, y = np.zeros((100, 1), "float32"), np.full((100, 1), 2.0)
    y[::2], y[1::2] = 2 + noise, 2 - noise
    choice = chosen_members(networks, recipe, MSELoss(), x, y, np.arange(100) // 50)
    assert len(choice.losses) == 5
    assert choice.networks == [networks[2 * at + k] for at in chosen for k in range(2)]


def test_second_bags_join_the_first():
    """Members answer 1, 0, 9, and 3, 4, 9 in second bags; further ones 2, like both bags."""
    recipe = replace(default_recipe(1_000, quality="best"), n_networks=2, n_folds=2)
    networks = [constant(value) for value in np.repeat([1, 0, 9, 3, 4, 9, 2, 2], 2)]
    x, y = np.zeros((3, 1), "float32"), np.full((3, 1), 2.0)
    choice = chosen_members(networks, recipe, MSELoss(), x, y, np.arange(3) % 2)
    assert choice.networks == [*networks[:2], *networks[6:8]] and choice.loss == 0
    assert list(choice.losses.values()) == [0, 0, 49, 0, 0]


def test_qualities():
    fast, good, best = (default_recipe(2_000, 5, quality) for quality in ("fast", "good", "best"))
    assert (fast.n_folds, fast.epochs) == (4, 45) and (good.n_folds, good.epochs) == (8, 105)
    assert [len(members_of(recipe)) for recipe in (fast, good, best)] == [3, 3, 10]
    assert (best.n_bins, best.n_fine_bins, good.n_fine_bins) == (31, 124, 0)
    assert len(members_of(default_recipe(100_001, 5, "best"))) == 8  # without fine bins
    with pytest.raises(ValueError, match="quality must be one of fast, good, best, not 'slow'"):
        default_recipe(2_000, 5, "slow")


@pytest.mark.parametrize(("seconds", "n_members", "n_kinds"), [(1e-9, 3, 3), (np.inf, 10, 7)])
def test_time_limits_the_further_members(seconds, n_members, n_kinds):
    x = RNG.normal(size=(130, 2))
    recipe = replace(default_recipe(130, 2, "best"), epochs=2, seconds=seconds)
    fitted = fit_table(x, x[:, 0], recipe, rng=0)
    assert len(fitted.histories) == n_members * recipe.n_networks
    assert fitted.choice is not None and len(fitted.choice.losses) == n_kinds
