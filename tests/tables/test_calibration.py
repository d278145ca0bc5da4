"""Temperature scaling: found on the rows that networks hold out, and safe for their mean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import handnn
from handnn import functional
from handnn.metrics import log_loss
from handnn.tables.calibration import calibrate, temperature
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
    assert temperature(logits, codes, is_mean=False) == pytest.approx(right, rel=0.1)
    assert temperature(logits, codes, is_mean=True) == pytest.approx(min(right, 1), rel=0.1)


def test_is_that_of_the_mean_of_the_networks_that_hold_out_a_row():
    codes, logits = drawn(4_000, 1.0, noise=2.0, n_networks=3)
    found = temperature(logits, codes, is_mean=False)
    steps = 2.0 ** (np.arange(-32, 33) / 16)
    losses = [
        log_loss(codes, np.mean([probabilities_of(one / t) for one in logits], axis=0))
        for t in steps
    ]
    assert found == pytest.approx(steps[np.argmin(losses)], rel=0.05)
    assert found < temperature(logits[:1], codes, is_mean=False) / 1.2


def test_two_columns_have_the_probabilities_of_the_sigmoid():
    z = np.array([[-800.0], [0.0], [1.0]])
    expected = [[1, 0], [0.5, 0.5], [1 / (1 + np.e), np.e / (1 + np.e)]]
    assert probabilities_of(z) == pytest.approx(np.array(expected))


def test_is_at_most_one_for_a_mean_of_networks_that_are_overconfident_alone():
    codes, logits = drawn(4_000, 1.0, noise=1.5, n_networks=8)
    own = logits[np.random.default_rng(1).integers(0, 8, 4_000), np.arange(4_000)][None]
    alone = temperature(own, codes, is_mean=False)
    assert alone > 1.8
    assert temperature(own, codes, is_mean=True) == 1
    before, after = (
        log_loss(codes, np.mean([probabilities_of(one / t) for one in logits], axis=0))
        for t in (1.0, alone)
    )
    assert before < after


@pytest.mark.parametrize("n_rows", [40, 4_000])
def test_half_an_error_is_expected_where_every_row_is_right(n_rows):
    codes = np.arange(n_rows) % 2
    logits = 3.0 * (codes[None, :, None] == [0, 1])
    found = temperature(logits, codes, is_mean=True)
    wrong = probabilities_of(logits[0, :1] / found)[0, 1]
    assert found < 1 and wrong == pytest.approx(0.5 / (n_rows + 0.5), rel=0.15)
    codes[0] = 1 - codes[0]
    assert temperature(logits, codes, is_mean=True) > 1.1 * found


def test_is_close_to_one_unless_the_gain_is_beyond_chance():
    losses, found = [], []
    for seed in range(40):
        codes, logits = drawn(150, 1.0, seed=seed)
        t = temperature(logits[:, :50], codes[:50], is_mean=True)
        losses.append([log_loss(codes[50:], probabilities_of(logits[0, 50:] / s)) for s in (1, t)])
        found.append(t)
    before, after = np.mean(losses, axis=0)
    assert after < 1.002 * before
    assert np.mean(np.equal(found, 1)) > 0.9


def test_weights_count():
    codes, logits = drawn(2_000, 1.0)
    logits[:, :1_000] *= 3
    is_late = np.arange(2_000) >= 1_000
    early, late = (temperature(logits, codes, 1.0 * w, is_mean=False) for w in (~is_late, is_late))
    assert (early, late) == pytest.approx((3, 1), rel=0.1)


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


def bag_of(layers, n_networks=8):
    """Return networks, all with these layers and then an Affine that triples its input."""
    affines = [handnn.Affine([[3.0]], [0.0]) for _ in range(n_networks)]
    return [handnn.Network([*layers, affine]) for affine in affines]


def test_linear_networks_that_are_overconfident_are_scaled():
    """A mean of linear networks is about one linear network; others may disagree on a new row."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(4_000, 1)).astype(np.float32)
    codes = (rng.random(4_000) < functional.sigmoid_forward(z[:, 0])).astype(np.int64)
    fold = np.arange(4_000) % 8
    assert calibrate(bag_of([]), z, codes, fold).temperature == pytest.approx(3, rel=0.15)
    codes_and_z = np.column_stack([codes, z]).astype(np.float32)
    embedding = handnn.Embedding([[0.0], [0.0]], column=0)
    mixed = [handnn.Network([embedding, handnn.Affine([[3.0], [0.0]], [0.0])]) for _ in range(8)]
    assert calibrate(mixed, codes_and_z, codes, fold).temperature == pytest.approx(3, rel=0.15)
    assert calibrate(bag_of([handnn.Tanh()]), z, codes, fold).temperature == 1


def test_linear_networks_are_not_made_less_certain_for_an_error_that_did_not_happen():
    codes = np.arange(64) % 2
    z = (4.0 * codes - 2).astype(np.float32)[:, None]
    logits = 3 * np.hstack([-z / 2, z / 2])[None]
    assert temperature(logits, codes, is_mean=False) > 1.1
    assert calibrate(bag_of([]), z, codes, np.arange(64) % 8).temperature == 1
