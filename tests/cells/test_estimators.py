"""Cells in the tables that estimators take."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

from handnn.sklearn import MLPClassifier, MLPRegressor

N = 40
TABLE = {
    "size": [str(n) for n in range(N)],
    "town": ["Ulm", "NA", "01", "true"] * (N // 4),
    "day": [f"2024-05-{1 + n % 28:02}" for n in range(N)],
}
Y = np.arange(N) + 0.5


def fitted(x=None):
    return MLPRegressor(max_iter=2, random_state=0).fit(pd.DataFrame(TABLE) if x is None else x, Y)


@pytest.fixture(scope="module")
def regressor():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fitted()


SPELLINGS = {
    "pandas of objects": pd.DataFrame(TABLE).astype(object),
    "pandas string": pd.DataFrame(TABLE).astype("string"),
    "polars": pl.DataFrame(TABLE),
    "typed": pd.DataFrame({
        "size": np.arange(N), "town": ["Ulm", None, 1, True] * (N // 4),
        "day": pd.to_datetime(TABLE["day"]),
    }),
    "typed in polars": pl.DataFrame({
        "size": np.arange(N, dtype=float), "town": [" Ulm", "", "1.0", "TRUE"] * (N // 4),
        "day": pd.to_datetime(TABLE["day"]).date,
    }),
}  # fmt: skip


@pytest.mark.parametrize("name", SPELLINGS)
def test_the_same_rows_have_the_same_predictions(regressor, name):
    expected = regressor.predict(pd.DataFrame(TABLE))
    assert len(set(expected.tolist())) == N
    assert np.array_equal(regressor.predict(SPELLINGS[name]), expected)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_array_has_the_same_predictions(regressor):
    expected = regressor.predict(pd.DataFrame(TABLE))
    assert np.array_equal(regressor.predict(pd.DataFrame(TABLE).to_numpy(object)), expected)


def test_advice_names_no_argument_that_estimators_do_not_have():
    for column in ([f"A{n}" for n in range(N)], ["15%", "7%"] * (N // 2), ["0.5", "x"] * (N // 2)):
        with pytest.raises(ValueError, match="column 'a'") as error:
            fitted(pd.DataFrame({"a": column, "b": np.arange(N)}))
        assert "kinds" not in str(error.value)


def test_targets_of_dates_are_an_error():
    for y in (pd.date_range("2024-01-01", periods=N), np.arange(N).astype("M8[D]")):
        with pytest.raises(ValueError, match="y holds datetime64.*days since a date"):
            MLPRegressor().fit(np.arange(N)[:, None], y)


def test_a_missing_label_is_named():
    y = pd.Series([None, *["a", "b"] * (N // 2)][:N], dtype="string")
    with pytest.raises(ValueError, match="Input y contains NaN"):
        MLPClassifier().fit(np.arange(N)[:, None], y)
