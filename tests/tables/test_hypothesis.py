"""Random tables are learned and transformed, or rejected with a ValueError."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handnn import Columns

numbers = st.one_of(st.floats(-1e9, 1e9), st.integers(-99, 99))
gaps = st.sampled_from([None, float("nan")])
text = st.text(max_size=4)
KINDS = {"number": numbers, "text": text, "bool": st.booleans()}


@st.composite
def tables(draw):
    count = draw(st.integers(1, 12))
    table = {}
    for name in draw(st.lists(text, min_size=1, max_size=4, unique=True)):
        cells = KINDS[draw(st.sampled_from(list(KINDS)))]
        table[name] = draw(st.lists(st.one_of(cells, gaps), min_size=count, max_size=count))
    return table


@settings(max_examples=150, deadline=None)
@given(
    tables(), st.sampled_from([True, False, "quantile"]), st.sampled_from(["embedding", "one-hot"])
)
def test_single_rows_and_json_give_the_same_bits(table, scale, categories):
    try:
        columns = Columns.learn(table, scale=scale, categories=categories)
    except ValueError as error:
        assert str(error).startswith("Columns.learn: column ")
        return
    x = columns.transform(table, "float64")
    assert x.shape == (len(x), columns.n_in) == (len(x), len(columns.names_out))
    assert np.isfinite(x).all()
    again = Columns.from_dict(json.loads(json.dumps(columns.to_dict())))
    for row in range(len(x)):
        alone = {name: values[row : row + 1] for name, values in table.items()}
        assert np.array_equal(again.transform(alone, "float64")[0], x[row])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.floats(-1e6, 1e6), st.none()), min_size=2, max_size=40))
def test_numbers_equal_scikit_learns(values):
    pytest.importorskip("sklearn")
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import StandardScaler

    column = np.array([[np.nan if value is None else value] for value in values])
    if np.isnan(column).all():
        return
    filled = SimpleImputer(strategy="median", add_indicator=True).fit_transform(column)
    expected = np.hstack([StandardScaler().fit_transform(filled[:, :1]), filled[:, 1:]])
    found = Columns.learn(column).transform(column, "float64")
    spread = np.ptp(filled[:, 0])
    if spread == 0 or spread > 1e-6 * abs(filled[:, 0]).max():  # otherwise it is only rounding
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
