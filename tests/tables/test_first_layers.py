"""The Embeddings for categories, and their rows for codes absent from training."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import SGD, Adam, Affine, Columns, Embedding, MSELoss, Network, Trainer, mlp


@pytest.fixture
def columns(table):
    return Columns.learn(table)


def network_of(columns, rng=0, dtype="float32"):
    rest = mlp([columns.n_after, 4, 1], rng=rng, dtype=dtype).layers
    return Network([*columns.first_layers(rng, dtype), *rest])


def test_embedding_sizes(columns):
    town, garden = columns.columns[2:]
    assert (town.n_codes, garden.n_codes) == (4, 4)
    assert town.n_embedding == round(1.6 * 4**0.56) == 3
    assert columns.n_after == 3 + 3 + 3
    many = Columns.learn({"a": np.arange(200_000) // 2}, kinds={"a": "category"})
    assert many.columns[0].n_embedding == 50


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_embeddings_replace_codes(columns, table, dtype):
    layers = columns.first_layers(0, dtype)
    town, garden = (layer.w for layer in layers)
    assert town.dtype == dtype
    x = columns.transform(table, dtype)
    out = Network(layers).predict(x)
    assert out.shape == (4, columns.n_after)
    assert np.array_equal(out[:, :3], x[:, :3])
    assert np.array_equal(out[:, 3:6], town[[1, 0, 2, 1]])
    assert np.array_equal(out[:, 6:], garden[[1, 0, 1, 1]])


def test_seed_determines_embeddings(columns):
    for ours, again in zip(columns.first_layers(3), columns.first_layers(3), strict=True):
        assert np.array_equal(ours.w, again.w)


def mean_of(w, counts):
    return np.average(w[: len(counts)].astype("float64"), axis=0, weights=counts)


def test_unseen_labels_get_the_mean_of_the_others(columns, table):
    network = network_of(columns, dtype="float64")
    town, garden = network.layers[:2]
    Trainer(network, MSELoss(), Adam(0.1), rng=0).fit(
        columns.transform(table), np.arange(4.0), epochs=5, batch_size=2
    )
    missing = town.w[2].copy()
    columns.settle(network)
    np.testing.assert_allclose(town.w[3], mean_of(town.w, [1, 2]), rtol=1e-14)
    np.testing.assert_allclose(garden.w[3], mean_of(garden.w, [1, 3]), rtol=1e-14)
    assert np.array_equal(town.w[2], missing), "training had gaps, and this is their own vector"
    assert np.array_equal(garden.w[2], garden.w[3]), "training had no gaps"
    before = {name: array.copy() for name, array in network.params.items()}
    columns.settle(network)
    assert all(np.array_equal(array, before[name]) for name, array in network.params.items())


def test_training_does_not_update_unseen_codes(columns, table):
    network = network_of(columns)
    before = network.layers[0].w[3].copy()
    Trainer(network, MSELoss(), SGD(0.1), rng=0).fit(
        columns.transform(table), np.arange(4.0), epochs=3, batch_size=4
    )
    assert np.array_equal(network.layers[0].w[3], before)


def test_settle_rejects_other_networks_unchanged(columns):
    plain = Network([Affine.random(columns.n_in, 1, rng=0)])
    with pytest.raises(ValueError, match="must begin with an Embedding of 4 codes for .*'town'"):
        columns.settle(plain)
    town = columns.first_layers(0)[0]
    wrong = Network([town, Embedding.random(9, 2, column=3, rng=0)])
    before = town.w.copy()
    town.w[3] = 7
    with pytest.raises(ValueError, match="of 4 codes for column 'garden', in column 4"):
        columns.settle(wrong)
    assert town.w[3].tolist() == [7] * 3 and np.array_equal(town.w[:3], before[:3])
