"""Bins of a column, the inputs that make a layer piecewise linear in it."""

from __future__ import annotations

import numpy as np
import pytest

import handnn
from handnn import Columns
from handnn.tables.bins import bin_edges, bins, thinned
from handnn.tables.dense import DenseInput
from handnn.tables.networks import build_network
from handnn.tables.recipe import default_bins, default_recipe
from tests.bounds import assert_same_bits

WIDE = [-1.7e308, 1.6e308, 1.7e308]
"""The difference of the first two is infinite."""


def test_by_hand():
    columns = Columns.learn({"a": np.arange(9.0)}, scale=False, n_bins=4)
    assert columns.columns[0].edges == (0, 2, 4, 6, 8)
    assert columns.names_out == ["a", "a from 0", "a from 2", "a from 4", "a from 6"]
    x = columns.transform({"a": [3.0, -5.0, 99.0]}, "float64")
    assert x.tolist() == [
        [3, 0.5, 0, -0.5, -0.5],
        [-5, -0.5, -0.5, -0.5, -0.5],
        [99, 0.5, 0.5, 0.5, 0.5],
    ]


def test_a_weighted_sum_is_piecewise_linear():
    rng = np.random.default_rng(0)
    edges = np.array(bin_edges(rng.normal(size=200), 6))
    levels = rng.normal(size=len(edges))
    x = np.linspace(-4, 4, 999)
    middle = (levels[0] + levels[-1]) / 2
    found = bins(x, edges) @ np.diff(levels) + middle
    np.testing.assert_allclose(found, np.interp(x, edges, levels), atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_edges_that_round_to_one_number_leave_no_nan(dtype):
    edges = np.array([1.0, 1.0, 2.0], dtype)
    found = bins(np.array([0.5, 1, 1.5, 2], dtype), edges)
    assert found.tolist() == [[-0.5, -0.5], [0.5, -0.5], [0.5, 0], [0.5, 0.5]]
    assert found.dtype == dtype


def test_few_or_huge_values_have_no_bins():
    assert bin_edges(np.array([0.0, 1, 0, 1]), 4) == ()
    assert bin_edges(np.array(WIDE), 4) == ()
    assert bin_edges(np.array([5.0, 5, 5, 5, 7, 9]), 4) == (5, 7, 9)
    mostly_zero = np.array([0.0] * 8 + [3, 2, 2, 9, 9, 9])  # 0 is all quantiles but the last one
    assert bin_edges(mostly_zero, 2) == (0, 3, 9) and bin_edges(mostly_zero, 1) == ()


def test_a_weight_of_two_counts_as_two_rows():
    values = np.random.default_rng(0).normal(size=90)
    weight = 1.0 + (np.arange(90) % 2)
    assert bin_edges(values, 7, weight) == bin_edges(np.repeat(values, weight.astype(int)), 7)


@pytest.mark.parametrize("n_rows", [1, 50])
def test_arrays_have_the_bits_of_tables(n_rows):
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=400), rng.integers(0, 2, 400), rng.normal(size=400) ** 3])
    dense = DenseInput(x, None, "quantile", 5)
    columns = Columns.learn(x, scale="quantile", n_bins=5)
    places = [(column.place, column.bin_places) for column in dense.binned]
    assert dense.binned == columns.binned and places == [(0, slice(3, 8)), (2, slice(8, 13))]
    assert dense.n_after == columns.n_after == 13
    assert_same_bits(dense.transform(x[:n_rows], "float32"), columns.transform(x[:n_rows]))


def test_a_network_begins_without_bends():
    rng = np.random.default_rng(0)
    table = {"a": rng.normal(size=300), "town": rng.choice(["Ulm", "Bonn", "Kiel"], 300)}
    columns = Columns.learn(table, scale="quantile", n_bins=4)
    network = build_network(default_recipe(300), columns, 1, rng)
    w = network.layers[1].w
    assert [c.bin_places for c in columns.binned] == [slice(1, 5)] and not w[1:5].any()
    assert w[[0, *range(5, len(w))]].all()
    assert np.var(w[w != 0]) == pytest.approx(2 / (len(w) - 4), rel=0.1)  # He's


@pytest.mark.parametrize("edges", [[1, 2], [1, 3, 2], [1, 1, 2], WIDE, "abc", [1, 2, None]])
def test_rejects_invalid_edges_in_a_file(edges):
    entry = Columns.learn({"a": np.arange(9.0)}, n_bins=3).to_dict()
    entry["columns"][0]["edges"] = edges
    with pytest.raises(handnn.FormatError, match="edges"):
        Columns.from_dict(entry)


def test_small_tables_have_fewer_bins():
    assert [default_bins(n) for n in (100, 191, 640, 4_000)] == [2, 2, 10, 32]
    assert default_recipe(640, 256).n_bins == 10 and default_recipe(640, 257).n_bins == 0


@pytest.mark.parametrize(
    ("n_columns", "n_bins"), [(16, 16), (17, 15), (20, 12), (128, 2), (129, 0)]
)
def test_tables_of_many_columns_have_fewer_bins(n_columns, n_bins):
    x = np.random.default_rng(0).normal(size=(50, n_columns))
    text = {f"t{place}": ["a", "b"] * 25 for place in range(200)}  # these need none
    table = {f"n{place}": column for place, column in enumerate(x.T)} | text
    columns = Columns.learn(table, scale="quantile", n_bins=16)
    assert {len(c.edges) - 1 for c in columns.columns[:n_columns]} == {n_bins or -1}
    dense = DenseInput(x, None, "quantile", 16)
    assert np.array_equal(
        dense.transform(x, "float64"), columns.transform(table, "float64")[:, : dense.n_after]
    )


def test_bins_that_a_column_does_not_need_are_available_to_the_others():
    long, short = tuple(np.arange(17.0)), (0.0, 1.0, 2.0)
    assert thinned([long] * 15 + [short] * 8) == [long] * 15 + [short] * 8  # 256
    fewer = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0)
    assert thinned([long] * 15 + [short] * 9) == [fewer] * 15 + [short] * 9
