"""A small table with every kind of column, and models of it."""

from __future__ import annotations

import numpy as np
import pytest

from handnn import Affine, Columns, Network, TableModel, Target, mlp


@pytest.fixture
def table():
    return {
        "age": np.array([1.0, 2, 3, 6]),
        "rooms": np.array([4.0, np.nan, 2, 2]),
        "town": np.array(["Ulm", "Bonn", None, "Ulm"], object),
        "garden": np.array([True, False, True, True]),
    }


@pytest.fixture
def model(table):
    """Two networks with embeddings, for a regression."""
    columns = Columns.learn(table)
    networks = [
        Network([*columns.first_layers(seed), *mlp([columns.n_after, 3, 1], rng=seed).layers])
        for seed in (0, 1)
    ]
    return TableModel(networks, columns, Target.learn([1.5, 2.5, 4, 7.25]))


@pytest.fixture
def classifier(table):
    """One network with one-hot columns, for three classes."""
    columns = Columns.learn(table, categories="one-hot", scale="quantile")
    network = Network([Affine.random(columns.n_in, 3, rng=0, dtype="float64")])
    return TableModel(network, columns, Target.learn(["low", "high", "mid", "low"]))
