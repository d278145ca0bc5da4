"""Linear networks of a regression end with conjugate gradients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from handnn import Network
from handnn.layers import Affine, Embedding
from handnn.losses import Huber, MSELoss
from handnn.optimizers import SGD
from handnn.tables import least_squares
from handnn.tables.bagging import rows_outside
from handnn.tables.fitting import fit_table
from handnn.tables.least_squares import Descent, Design, finish
from handnn.tables.recipe import default_recipe
from handnn.training.trainer import Trainer


@pytest.mark.parametrize("n_out", [1, 2])
def test_descent_reaches_weighted_least_squares(n_out):
    rng = np.random.default_rng(n_out)
    h, weight = rng.normal(size=(40, 5)), rng.integers(0, 3, (40, 1)).astype(float)
    y = h @ rng.normal(size=(5, n_out)) + rng.normal(size=(40, n_out))
    one = Descent(rng.normal(size=(6, n_out)), Design(h), y, weight)
    for _ in range(8):
        one.step()
    every, root = np.hstack([np.ones((40, 1)), h]), np.sqrt(weight)
    expected = np.linalg.lstsq(root * every, root * y, rcond=None)[0]
    assert np.allclose(one.theta, expected, atol=1e-9)
    assert np.allclose(one.residual, y - every @ one.theta)


@pytest.mark.parametrize("n_out", [1, 2])
def test_codes_are_columns_of_0_and_1(n_out):
    rng = np.random.default_rng(n_out)
    h, codes = rng.normal(size=(30, 2)), rng.integers(0, 4, (30, 2))
    design = Design(h, [(codes[:, 0], 4), (codes[:, 1], 5)])
    dense = np.hstack([np.ones((30, 1)), h, np.eye(4)[codes[:, 0]], np.eye(5)[codes[:, 1]]])
    theta, dout = rng.normal(size=(12, n_out)), rng.normal(size=(30, n_out))
    assert np.allclose(design.outputs(theta), dense @ theta)
    assert np.allclose(design.slopes(dout, theta), dense.T @ dout)


def test_descent_stays_at_the_minimum():
    theta = np.array([[0.0], [1], [1], [1]])
    one = Descent(theta, Design(np.eye(3)), np.ones((3, 1)), np.ones((3, 1)))
    one.step()
    assert np.array_equal(one.theta, theta)


def finished(y, w, first=(), loss=None, weight=None):
    """Return the weights of two networks that begin with w."""
    x = np.random.default_rng(0).normal(size=(30, len(w)))
    rows = rows_outside(np.arange(30) % 2, 2)
    networks = [Network([*first, Affine(w.copy(), np.zeros(1))]) for _ in rows]
    trainers = [Trainer(network, loss or MSELoss(), SGD(0.1)) for network in networks]
    finish(trainers, x, y(x), rows, weight)
    return [network.layers[-1].w for network in networks]


def test_networks_end_where_held_out_rows_have_the_lowest_error():
    w = np.array([[1.0], [2.0], [0.0]])
    for found in finished(lambda x: x @ w, np.zeros((3, 1))):
        assert np.allclose(found, w)
    noise = np.random.default_rng(1).normal(size=(30, 1))
    for found in finished(lambda x: noise, np.zeros((3, 1))):  # any step fits noise only
        assert not found.any()


def test_networks_of_many_inputs_reach_the_minimum():
    w = np.arange(8.0)[:, None]
    for found in finished(lambda x: x @ w, np.zeros((8, 1))):
        assert np.allclose(found, w)


def test_rows_of_weight_0_do_not_matter():
    w, weight = np.array([[1.0], [2.0], [0.0]]), np.ones(30)
    weight[[3, 14]] = 0  # one of each fold

    def y(x):
        return np.where(weight[:, None] > 0, 1, -1e3) * (x @ w)

    for found in finished(y, np.zeros((3, 1)), weight=weight):
        assert np.allclose(found, w)


def test_other_losses_are_left_alone():
    w = np.array([[1.0], [2.0], [0.0]])
    for found in finished(lambda x: x @ w, np.zeros((3, 1)), loss=Huber()):
        assert not found.any()


@pytest.mark.parametrize("is_positive", [False, True])
def test_networks_linear_in_the_numbers_are_finished(monkeypatch, is_positive):
    """Also those of the pilot for the logarithm, twice; not those linear in bins."""
    n_inputs = []
    monkeypatch.setattr(least_squares, "finish", lambda some, x, *_: n_inputs.append(x.shape[1]))
    x, _ = np.random.default_rng(0).normal(size=(2, 200, 3))
    y = np.exp(2 * x[:, 0]) if is_positive else x[:, 0]
    recipe = replace(default_recipe(200, 3, "fast"), epochs=2)
    columns = fit_table(x, y, recipe, rng=0).model.columns
    assert n_inputs == [3] * (3 if is_positive else 1) and columns.n_in > 3


def test_inputs_that_take_much_memory_are_left_alone(monkeypatch):
    w = np.array([[1.0], [2.0], [0.0]])
    monkeypatch.setattr(least_squares, "MAX_NUMBERS", 30 * 3 + 1)
    for found in finished(lambda x: x @ w, np.zeros((3, 1)), [Affine(np.eye(3), np.zeros(3))]):
        assert not found.any()  # each network has its own inputs
    for found in finished(lambda x: x @ w, np.zeros((3, 1))):
        assert np.allclose(found, w)


def test_nearly_equal_columns_are_told_apart():
    rng = np.random.default_rng(0)
    first = rng.normal(size=600)
    x = np.column_stack([first, first + 0.01 * rng.normal(size=600)])
    y = 50 * (x[:, 1] - x[:, 0]) + x[:, 0]
    model = fit_table(x[:400], y[:400], default_recipe(400, 2, "fast"), rng=0).model
    errors = np.abs(model.predict(x[400:]) - y[400:])  # some rows are beyond the edges of bins
    assert np.median(errors) < 1e-3


@pytest.mark.parametrize("n_out", [1, 3, 5])
def test_labels_have_one_effect_each(n_out):
    """Five outputs need more columns than the vectors have; then the vectors stay as they are."""
    rng = np.random.default_rng(n_out)
    x = np.column_stack([rng.integers(0, 4, 90), rng.normal(size=90), rng.integers(0, 3, 90)])
    effects, others = rng.normal(size=(4, n_out)), rng.normal(size=(3, n_out))
    y = x[:, [1]] + effects[x[:, 0].astype(int)] - others[x[:, 2].astype(int)] + 7
    rows = rows_outside(np.arange(90) % 2, 2)
    trainers = []
    for seed in range(2):
        first = [Embedding.random(6 - at, 4 - at, at, seed, "float64") for at in (0, 1)]
        network = Network([*first, Affine(rng.normal(size=(1 + 4 + 3, n_out)), np.zeros(n_out))])
        trainers.append(Trainer(network, MSELoss(), SGD(0.1)))
    finish(trainers, x, y, rows, None)
    for trainer in trainers:
        assert np.allclose(trainer.network.predict(x), y, atol=1e-6)
        unchanged = Embedding.random(6, 4, 0, trainers.index(trainer), "float64").w
        assert np.array_equal(trainer.network.layers[0].w, unchanged) == (n_out == 5)


def test_effects_of_rare_labels_are_shrunk():
    """Few steps from 0 have a lower error on held-out rows than the least squares of two rows."""
    rng = np.random.default_rng(0)
    codes = np.arange(120) // 3
    y = rng.normal(size=(120, 1)) + 0.5 * rng.normal(size=40)[codes, None]
    learned = np.flatnonzero(np.arange(120) % 3 != 2)
    network = Network([Embedding(np.zeros((42, 2))), Affine(np.zeros((2, 1)), [0.0])])
    trainer = Trainer(network, MSELoss(), SGD(0.1))
    finish([trainer], codes[:, None].astype(float), y, [learned], None)
    effects = network.predict(np.arange(40.0)[:, None]) - y[learned].mean()
    own = y[learned].reshape(40, 2).mean(axis=1, keepdims=True) - y[learned].mean()
    assert 0 < np.linalg.norm(effects) < 0.9 * np.linalg.norm(own)
