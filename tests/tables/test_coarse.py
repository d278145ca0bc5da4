"""Networks with coarse bins: trained on fewer inputs, they end with weights of the fine bins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from handnn import Columns
from handnn.layers import Affine, Embedding
from handnn.tables.bins import bins
from handnn.tables.coarse import CoarseInputs
from handnn.tables.fitting import fit_table
from handnn.tables.members import fine, members_of
from handnn.tables.networks import build_network
from handnn.tables.recipe import MAX_BINS, default_recipe
from handnn.tables.views import Views
from handnn.training.many import train_many
from tests.tables.test_positions import table_of

RNG = np.random.default_rng(0)


def learned(dtype="float64", n_bins=12, n_rows=400):
    table = table_of(n_rows)
    columns = Columns.learn(table, scale="quantile", n_bins=n_bins)
    recipe = replace(default_recipe(n_rows, 5), dtype=dtype)
    network = build_network(recipe, columns, 2, np.random.default_rng(0))
    return columns, network, columns.transform(table, dtype), table


def test_inputs_are_those_of_coarse_edges():
    columns, _, x, table = learned()
    coarse = CoarseInputs(columns.binned, 5)
    found = coarse.transform(x)
    assert [len(column.edges) for column in coarse.binned] == [6, 6]
    for column, name in zip(coarse.binned, ("a", "b"), strict=True):
        values = np.where(np.isnan(table[name]), np.nanmedian(table[name]), table[name])
        expected = bins(values, np.array(column.edges))
        assert np.allclose(found[:, column.bin_places], expected, rtol=0, atol=1e-12)
    n_fewer = x.shape[1] - found.shape[1]
    assert n_fewer == 2 * 7
    for column in columns.binned:
        x[:, column.bin_places] = np.nan
    assert np.array_equal(found[:, :2], x[:, :2]) and np.array_equal(found[:, -2:], x[:, -2:])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_of_fine_bins_predict_the_same(dtype):
    columns, network, x, _ = learned(dtype)
    before = list(network.layers)
    at = next(at for at, layer in enumerate(before) if isinstance(layer, Affine))
    coarse = CoarseInputs(columns.binned, 5)
    with coarse.networks([network]):
        inside = network.layers[at]
        inside.w += np.random.default_rng(1).normal(size=inside.w.shape)
        expected = network.predict(coarse.transform(x))
    assert network.layers == before and isinstance(before[0], Embedding)
    bound = 500 * np.finfo(dtype).eps * abs(expected).max()
    assert np.allclose(network.predict(x), expected, rtol=0, atol=bound)


def test_many_columns_have_fine_bins_only():
    """150 columns: two bins of each would exceed the limit of coarse ones."""
    x = RNG.normal(size=(300, 150)).astype("float32")
    columns = Columns.learn(x, scale="quantile", n_bins=6, max_bins=4 * MAX_BINS)
    assert len(columns.binned) == 150
    coarse = CoarseInputs(columns.binned, 3)
    inputs = columns.transform(x)
    assert coarse.binned == [] and np.array_equal(coarse.transform(inputs), inputs[:, :150])
    network = build_network(default_recipe(300, 150), columns, 1, RNG)
    with coarse.networks([network]):
        network.layers[0].w += 1
        expected = network.predict(coarse.transform(inputs))
    assert np.allclose(network.predict(inputs), expected, rtol=1e-5, atol=1e-3)


def test_each_kind_of_networks_has_its_view():
    columns, network, x, _ = learned(n_bins=32, n_rows=2_000)
    recipe = replace(default_recipe(400, 5, "best"), n_bins=8, n_fine_bins=32)
    views = Views(columns.binned, x, has_positions=True)
    widths = []
    for member in (recipe, members_of(recipe)[2], fine(recipe), recipe):
        before = list(network.layers)
        with views.training(member, [network]) as inputs:
            network.predict(inputs)
            first = next(layer for layer in network.layers if hasattr(layer, "b"))
            widths.append(len(first.w))
        assert network.layers == before
    plain = columns.n_after - sum(len(column.edges) - 1 for column in columns.binned)
    assert widths == [plain + n_bins for n_bins in (16, 0, 64, 16)]


def test_best_learns_from_coarse_and_fine_bins():
    x = RNG.normal(size=(200, 2))
    recipe = replace(default_recipe(200, 2, "best"), epochs=1, hidden=(3,), activations=("relu",))
    recipe = replace(recipe, dropouts=(0.0,), n_networks=2, n_folds=2)
    widths = []

    def train(trainers, *, each, **kwargs):
        inputs = {id(own["x"]): own["x"] for own in each}
        widths.extend(x.shape[1] for x in inputs.values())
        return train_many(trainers, each=each, **kwargs)

    fitted = fit_table(x, x[:, 0], recipe, rng=0, train=train)
    assert recipe.n_bins == 3 and recipe.n_fine_bins == 12
    assert widths == [
        8,
        2,
        8,
        8,
        2,
        8,
        4,
        4,
        8,
    ]  # without bins, coarse ones, positions of fine ones
    assert fitted.model.columns.n_after == 26 + 2 * 2  # the bag is a line, with outer bins
