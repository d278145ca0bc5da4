"""Temperature scaling: chosen for the mean of a bag, and only if it is significantly better."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import handnn
from handnn.metrics import log_loss
from handnn.tables.calibration import BagOutputs, calibrate, temperature
from handnn.tables.fitting import fit_table
from handnn.tables.intervals import probabilities_of
from handnn.tables.recipe import default_recipe
from tests.bounds import assert_same_bits


def drawn(n_rows, temperature, *, seed=0, noise=0.0, n_networks=1, n_classes=3):
    """Return codes, and logits (K, N, C) that are right if they are divided by `temperature`."""
    rng = np.random.default_rng(seed)
    true = 2 * rng.normal(size=(n_rows, n_classes))
    cumulated = np.cumsum(probabilities_of(true), axis=1)
    codes = (rng.random(n_rows)[:, None] > cumulated).sum(axis=1)
    return codes, temperature * (true + noise * rng.normal(size=(n_networks, *true.shape)))


@pytest.mark.parametrize("right", [0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_finds_the_temperature_of_one_network(right, n_classes):
    codes, logits = drawn(4_000, right, n_classes=n_classes)
    bag = BagOutputs(np.arange(4_000), np.zeros(4_000, np.int64), logits)
    assert temperature(bag, codes) == pytest.approx(right, rel=0.1)
    if right == 1:
        assert temperature(bag, codes) == 1


def test_two_columns_have_the_probabilities_of_the_sigmoid():
    z = np.array([[-800.0], [0.0], [1.0]])
    expected = [[1, 0], [0.5, 0.5], [1 / (1 + np.e), np.e / (1 + np.e)]]
    assert probabilities_of(z) == pytest.approx(np.array(expected))


def test_is_chosen_for_the_mean_and_not_for_each_network():
    # Each of eight networks is overconfident; their mean is nearly calibrated.
    codes, logits = drawn(4_000, 1.0, noise=1.5, n_networks=8)
    rng = np.random.default_rng(1)
    owner = rng.integers(0, 8, 4_000)
    own = logits[owner, np.arange(4_000)]
    alone = temperature(BagOutputs(np.arange(4_000), 0 * owner, own[None]), codes)
    together = temperature(BagOutputs(np.arange(4_000), owner, logits), codes)
    assert alone > 1.8
    means = {
        t: log_loss(codes, np.mean([probabilities_of(one / t) for one in logits], axis=0))
        for t in (1.0, alone, together)
    }
    assert means[together] <= means[1.0] < means[alone]


def test_is_one_unless_the_gain_is_beyond_chance():
    for seed in range(20):
        codes, logits = drawn(50, 1.1, seed=seed)
        bag = BagOutputs(np.arange(50), np.zeros(50, np.int64), logits)
        assert temperature(bag, codes) == 1


def test_weights_count():
    codes, logits = drawn(2_000, 1.0)
    logits[:, :1_000] *= 3
    bag = BagOutputs(np.arange(2_000), np.zeros(2_000, np.int64), logits)
    assert temperature(bag, codes, 1.0 * (np.arange(2_000) >= 1_000)) == 1
    assert temperature(bag, codes, 1.0 * (np.arange(2_000) < 1_000)) == pytest.approx(3, rel=0.1)


def test_other_networks_predict_as_the_owner_plus_their_deviations():
    logits = np.array([[[1.0, 0.0]], [[5.0, 0.0]], [[7.0, 0.0]]])
    bag = BagOutputs(np.array([4]), np.array([0]), logits)
    assert bag.others.tolist() == [[False], [True], [True]]
    found = bag.for_new_rows(shrinks=False)[1:, 0]
    assert (found[:, 0] - found[:, 1]).tolist() == [0.0, 2.0]


def test_the_logits_of_the_owner_are_shrunk_by_the_variance_of_the_others():
    _, logits = drawn(4_000, 1.0, noise=1.0, n_networks=6)
    owner = np.random.default_rng(0).integers(0, 6, 4_000)
    bag = BagOutputs(np.arange(4_000), owner, logits)
    found = (bag.for_new_rows(shrinks=True) * bag.others[:, :, None]).sum(axis=0) / 5
    expected = logits[owner, np.arange(4_000)] * 4 / (4 + 1)  # variances of signal and of noise
    centered = [each - each.mean(axis=1, keepdims=True) for each in (found, expected)]
    assert abs(centered[0] - centered[1]).mean() < 0.1


def labelled(n_rows, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_rows, 2))
    return x, np.where(x[:, 0] + 0.05 * x[:, 1] > 0, "yes", "no")


def test_a_bag_is_scaled_in_its_last_affine():
    x, y = labelled(300, 0)
    recipe = replace(default_recipe(300), epochs=5, lr=5e-4)  # too slow: underconfident
    fitted = fit_table(x, y, recipe, rng=0)
    assert fitted.temperature < 0.8
    plain = fitted.model
    logits = [network.predict(plain.columns.transform(x, "float32")) for network in plain.networks]
    unscaled = np.mean([probabilities_of(one * fitted.temperature) for one in logits], axis=0)
    x_new, y_new = labelled(3_000, 1)
    after = log_loss((y_new == "yes").astype(int), plain.predict_proba(x_new)[:, 1])
    new = [network.predict(plain.columns.transform(x_new, "float32")) for network in plain.networks]
    before = np.mean([probabilities_of(one * fitted.temperature) for one in new], axis=0)
    assert after < log_loss((y_new == "yes").astype(int), before[:, 1])
    assert (unscaled.argmax(axis=1) == plain.predict_proba(x).argmax(axis=1)).mean() > 0.99


def test_networks_without_a_final_affine_are_unchanged():
    codes, logits = drawn(400, 3.0, n_classes=2)
    z = (logits[0, :, 1:] - logits[0, :, :1]).astype(np.float32)
    network = handnn.Network([handnn.Affine([[1.0]], [0.0]), handnn.Tanh()])
    fold = np.zeros(400, np.int64)
    assert calibrate([network], z, codes, fold).temperature == 1
    scaled = handnn.Network([handnn.Affine([[1.0]], [0.5])])
    found = calibrate([scaled], z, codes, fold, is_scaled=False)
    assert found.temperature == 1 and found.held_out.n_rows == 400
    found = calibrate([scaled], z, codes, fold)
    assert found.temperature > 2
    assert_same_bits(scaled.layers[0].b, np.array([0.5]) / found.temperature)
    assert calibrate([scaled], z, codes, fold - 1) is None
