"""Predictions for rows with values beyond those of the training rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from handnn import TableModel
from handnn.losses import BCEWithLogits, MSELoss
from handnn.sklearn import MLPRegressor
from handnn.tables.beyond import continued
from handnn.tables.bins import outer_edges
from handnn.tables.columns import Columns
from handnn.tables.fitting import fit_table
from handnn.tables.members import Choice, members_of
from handnn.tables.networks import build_network
from handnn.tables.recipe import default_recipe

RECIPE = replace(default_recipe(200), epochs=15)


@pytest.fixture
def line():
    """Return x (200, 1) from 0 to 1, and 2x."""
    x = np.linspace(0, 1, 200)[:, None]
    return x, 2 * x[:, 0]


def test_a_line_goes_on_for_ten_ranges(line, tmp_path):
    model = fit_table(*line, RECIPE, rng=0).model
    new = np.array([[-90.0], [-10], [-1], [1], [3], [11], [12]])
    expected = 2 * np.clip(new[:, 0], -10, 11)
    assert np.allclose(model.predict(new), expected, rtol=1e-3)
    model.save(tmp_path / "line.safetensors")
    loaded = TableModel.load(tmp_path / "line.safetensors")
    assert np.array_equal(loaded.predict(new), model.predict(new))


def test_the_estimator_does_the_same(line):
    model = MLPRegressor(max_iter=15, random_state=0).fit(*line)
    new = np.array([[-1.0], [3], [11]])
    assert np.allclose(model.predict(new), 2 * new[:, 0], rtol=1e-3)
    assert np.allclose(model.table_model().predict(new), model.predict(new), rtol=1e-6)


def test_probabilities_are_constant(line):
    x, y = line
    model = fit_table(x, np.where(y > 1.3, "high", "low"), RECIPE, rng=0).model
    answers = model.predict_proba([[1.0], [50], [0], [-0.5]])
    assert np.array_equal(answers[::2], answers[1::2])


def test_exponentials_are_constant():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    y = np.exp(x @ [1.0, 0.7, -0.5] + rng.normal(0, 0.1, 300))
    model = fit_table(x, y, replace(default_recipe(300, 3), epochs=30), rng=0).model
    assert model.target.is_log
    largest = x[:, 0].max()
    assert len(set(model.predict([[largest, 0, 0], [largest + 9, 0, 0]]).tolist())) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_bag_has_the_slope_of_its_lines(dtype):
    rng = np.random.default_rng(0)
    table = {
        "long": np.exp(rng.normal(size=300)),
        "bit": np.arange(300) % 2,
        "town": rng.choice(["Ulm", "Bonn"], 300),
    }
    columns = Columns.learn(table, scale="quantile", n_bins=6)
    network, _, line = (
        build_network(replace(member, dtype=dtype), columns, 1, rng)
        for member in members_of(default_recipe(300, 3))
    )
    (binned,) = columns.binned
    line.layers[-1].w[binned.place] = 0
    line.layers[-1].w[binned.bin_places] = 3 * np.diff(binned.edges)[:, None]
    choice = Choice([network, line], {}, 0.0, [], [line])
    found, more = continued(choice, columns, MSELoss())
    before, after = columns.transform(table, dtype), more.transform(table, dtype)
    for old, new in zip(choice.networks, found, strict=True):
        outputs = old.predict(before)
        atol = 1_000 * np.finfo(dtype).eps * abs(outputs).max()
        assert np.allclose(new.predict(after), outputs, rtol=0, atol=atol)
    largest = table["long"].max()
    rows = {"long": [largest, largest + 2], "bit": [1, 1], "town": ["Ulm", "Ulm"]}
    mean = np.mean([network.predict(more.transform(rows, dtype)) for network in found], axis=0)
    assert np.isclose(mean[1, 0] - mean[0, 0], 3 * 2, rtol=1e-3)
    assert continued(choice, columns, BCEWithLogits()) == (choice.networks, columns)


def test_edges_too_large_for_float32_remain():
    assert outer_edges(()) == ()
    for edges in [(0.0, 1e38, 2e38), (-1e308, 0.0, 1e308)]:
        assert outer_edges(edges) == edges
