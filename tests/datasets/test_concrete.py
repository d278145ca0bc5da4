"""The concrete data: values, names, units and source."""

from __future__ import annotations

from importlib import resources

import numpy as np

from handnn.datasets import load_concrete


def test_matches_the_published_table():
    data = load_concrete()
    assert data.x.shape == (1030, 8)
    assert data.y.shape == (1030,)
    assert data.x.dtype == data.y.dtype == np.float64
    assert data.x.flags.c_contiguous
    assert data.y.flags.c_contiguous
    np.testing.assert_array_equal(data.x[0], [540, 0, 0, 162, 2.5, 1040, 676, 28])
    np.testing.assert_array_equal(data.x[-1], [260.9, 100.5, 78.3, 200.6, 8.6, 864.5, 761.5, 28])
    assert (data.y[0], data.y[-1]) == (79.99, 32.40)
    assert (data.y.min(), data.y.max()) == (2.33, 82.6)


def test_names_every_column_and_its_unit():
    data = load_concrete()
    assert data.feature_names[0] == "Cement"
    assert data.feature_names[-1] == "Age"
    assert len(data.feature_names) == len(data.units) == 8
    assert data.units == ("kg/m³",) * 7 + ("day",)
    assert (data.target_name, data.target_unit) == ("Concrete compressive strength", "MPa")
    assert repr(data) == "Dataset(1030 rows, 8 features → Concrete compressive strength in MPa)"


def test_each_call_returns_new_arrays():
    load_concrete().x[:] = 0
    assert load_concrete().x[0, 0] == 540


def test_package_contains_source_and_license():
    note = (resources.files("handnn") / "data" / "concrete.md").read_text("utf-8")
    for words in ("UCI Machine Learning Repository", "CC BY 4.0", "Yeh", "28"):
        assert words in note
