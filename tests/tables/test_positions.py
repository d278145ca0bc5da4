"""While a bag is trained, its networks take positions in place of bins, and compute the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from handnn import Columns
from handnn.layers import Affine, Embedding
from handnn.layers.binned_affine import BinnedAffine
from handnn.tables.bins import BinnedColumn
from handnn.tables.networks import build_network
from handnn.tables.positions import PositionInputs
from handnn.tables.recipe import default_recipe
from tests.tables.short_fits import short_fit


def table_of(n_rows):
    """Return columns with bins, with gaps, of dates (with cycles) and of two categories."""
    rng = np.random.default_rng(0)
    number = rng.normal(size=n_rows)
    number[::7] = np.nan
    day = np.datetime64("2020-01-01") + rng.integers(0, 900, n_rows)
    return {
        "a": number,
        "day": day,
        "town": rng.choice(["Ulm", "Bonn", "Kiel"], n_rows),
        "b": np.exp(rng.normal(size=n_rows)),
        "sort": rng.choice(["x", "y"], n_rows),
    }


def learned(dtype="float64"):
    table = table_of(400)
    columns = Columns.learn(table, scale="quantile", n_bins=6)
    recipe = replace(default_recipe(400, 5), dtype=dtype)
    network = build_network(recipe, columns, 1, np.random.default_rng(0))
    first = next(layer for layer in network.layers if isinstance(layer, Affine))
    first.w[...] = np.random.default_rng(1).normal(size=first.w.shape)
    return columns, network, columns.transform(table, dtype)


def test_positions_of_rows():
    x = np.array([[7.0, -0.5, -0.5, 1.0], [8.0, 0.5, -0.25, 2.0]])
    column = BinnedColumn(0, 1, (0.0, 1.0, 4.0))
    assert PositionInputs([column]).transform(x).tolist() == [[7, 0, 1], [8, 1.25, 2]]
    assert PositionInputs([column], keeps=False).transform(x).tolist() == [[7, 1], [8, 2]]
    assert PositionInputs([]).transform(x) is x


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_networks_predict_the_same(dtype):
    columns, network, x = learned(dtype)
    before, expected = list(network.layers), network.predict(x)
    params = network.params
    inputs = PositionInputs(columns.binned)
    with inputs.networks([network]):
        assert any(isinstance(layer, BinnedAffine) for layer in network.layers)
        assert all(network.params[name] is array for name, array in params.items())
        found = network.predict(inputs.transform(x))
    bound = 500 * np.finfo(dtype).eps * abs(expected).max()
    assert np.allclose(found, expected, rtol=0, atol=bound)
    assert network.layers == before


def test_networks_without_bins_keep_what_they_learn():
    columns, network, x = learned()
    at = next(at for at, layer in enumerate(network.layers) if isinstance(layer, Affine))
    affine, bins = network.layers[at], [column.bin_places for column in columns.binned]
    for places in bins:
        x[:, places] = 0
    before, expected = affine.w.copy(), network.predict(x)
    inputs = PositionInputs(columns.binned, keeps=False)
    with inputs.networks([network]):
        assert np.allclose(network.predict(inputs.transform(x)), expected)
        network.layers[at].w += 1
        network.layers[at].b += 1
    is_bin = np.zeros(len(before), bool)
    for places in bins:
        is_bin[places] = True
    assert network.layers[at] is affine
    assert np.array_equal(affine.w, before + ~is_bin[:, None])


def test_layers_are_back_after_an_error():
    columns, network, _ = learned()
    before = list(network.layers)
    with pytest.raises(KeyboardInterrupt), PositionInputs(columns.binned).networks([network]):
        raise KeyboardInterrupt
    assert network.layers == before


@pytest.mark.parametrize(("n_bins", "has_positions"), [(8, True), (6, False)])
def test_a_fit_ends_with_affines(n_bins, has_positions):
    table = table_of(400)
    y = table["b"] + (table["town"] == "Ulm")
    model, widths = short_fit(table, y, n_bins)
    n_expanded = Columns.learn(table, scale="quantile", n_bins=n_bins).n_in
    assert (n_expanded in widths) != has_positions
    kinds = {type(layer) for network in model.networks for layer in network.layers}
    assert BinnedAffine not in kinds and {Affine, Embedding} <= kinds
