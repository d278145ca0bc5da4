"""The estimators accept frames with text, categories and gaps."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed: no estimators")
pytest.importorskip("pandas", reason="pandas is not installed: no frames")

import pandas

from handnn.sklearn import MLPClassifier, MLPRegressor
from tests.bounds import assert_same_bits

ROWS = 240
RNG = np.random.default_rng(0)
TOWNS = np.array(["Ulm", "Bonn", "Kiel"])[RNG.integers(3, size=ROWS)]
AREA = RNG.uniform(20, 200, ROWS)
AGE = np.where(RNG.random(ROWS) < 0.1, np.nan, RNG.uniform(0, 100, ROWS))
PRICE = 1000 * AREA * (1 + (TOWNS == "Bonn")) - 500 * np.nan_to_num(AGE, nan=50)
FRAME = pandas.DataFrame({"area": AREA, "town": TOWNS, "age": AGE})
NUMBERS = FRAME[["area"]].assign(more=AREA**2)


def regressor(**settings):
    return MLPRegressor(**{"random_state": 0, "max_iter": 80, **settings})


def polars_of(frame):
    polars = pytest.importorskip("polars", reason="polars is not installed: no frames of its kind")
    return polars.DataFrame({name: frame[name].tolist() for name in frame}, nan_to_null=True)


@pytest.mark.parametrize("categories", ["embedding", "one-hot"])
def test_text_and_gaps(categories):
    model = regressor(categories=categories).fit(FRAME, PRICE)
    assert model.score(FRAME, PRICE) > 0.95
    assert list(model.feature_names_in_) == ["area", "town", "age"]
    assert model.n_features_in_ == 3


def test_pandas_and_polars_agree():
    first = regressor(max_iter=5).fit(FRAME, PRICE)
    other = polars_of(FRAME)
    second = regressor(max_iter=5).fit(other, PRICE)
    assert_same_bits(first.predict(FRAME), second.predict(other))
    assert_same_bits(first.predict(other), second.predict(FRAME))


def test_polars_numbers():
    pandas_model = regressor(max_iter=5).fit(NUMBERS, PRICE)
    other = polars_of(NUMBERS)
    model = regressor(max_iter=5).fit(other, other["area"])
    assert list(model.feature_names_in_) == ["area", "more"]
    assert_same_bits(pandas_model.predict(other), pandas_model.predict(NUMBERS))


@pytest.mark.parametrize("form", ["objects", "list", "gaps"])
def test_arrays_without_names(form):
    rows = {
        "objects": FRAME.to_numpy(object),
        "list": FRAME.to_numpy(object).tolist(),
        "gaps": FRAME[["area", "age"]].to_numpy(),
    }[form]
    model = regressor().fit(rows, PRICE)
    assert model.score(rows, PRICE) > (0.6 if form == "gaps" else 0.95)
    assert not hasattr(model, "feature_names_in_")
    with pytest.raises(ValueError, match="expecting"):
        model.predict(np.ones((2, 5)))


def test_unseen_labels_and_gaps():
    model = regressor(max_iter=5).fit(FRAME, PRICE)
    rows = FRAME[:3].copy()
    rows.loc[0, "town"] = "Rom"
    rows.loc[1, "area"] = np.nan
    assert np.isfinite(model.predict(rows)).all()


def test_matches_names_in_another_order():
    model = regressor(max_iter=5).fit(FRAME, PRICE)
    turned = FRAME[["town", "age", "area"]]
    assert_same_bits(model.predict(turned), model.predict(FRAME))
    with pytest.raises(ValueError, match="no column 'age'"):
        model.predict(FRAME.rename(columns={"age": "years"}))
    numbers = regressor(max_iter=5).fit(NUMBERS, PRICE)
    with pytest.raises(ValueError, match="feature names"):
        numbers.predict(NUMBERS[["more", "area"]])
    with pytest.warns(UserWarning, match="feature names"):
        numbers.predict(NUMBERS.to_numpy())


def test_weights_and_validation_rows_of_frames():
    weight = np.r_[np.ones(200), np.zeros(40)]
    validation = (FRAME[200:], PRICE[200:])
    models = [
        regressor(max_iter=3).fit(FRAME, PRICE, weight, validation),
        regressor(max_iter=3).fit(FRAME[:200], pandas.Series(PRICE[:200]), None, validation),
    ]
    assert_same_bits(models[0].predict(FRAME), models[1].predict(FRAME))
    assert models[0].validation_curve_ == models[1].validation_curve_


def test_zero_weights_in_polars_and_lists():
    weight = np.r_[np.ones(200), np.zeros(40)]
    for rows in (polars_of(FRAME), FRAME.to_numpy(object).tolist()):
        model = regressor(max_iter=3).fit(rows, PRICE, weight)
        assert model.predict(rows).shape == (ROWS,)


def test_partial_fit_of_frames():
    model = MLPClassifier(random_state=0, learning_rate_init=0.01)
    y = np.where(np.median(PRICE) < PRICE, "dear", "cheap")
    for _ in range(40):
        model.partial_fit(FRAME, y, classes=["cheap", "dear"])
    assert model.score(FRAME, y) > 0.9


def test_categories_and_bools_of_pandas():
    frame = FRAME.assign(town=FRAME["town"].astype("category"), new=AREA > 100)
    assert regressor().fit(frame, PRICE).score(frame, PRICE) > 0.95


def test_target_in_a_frame():
    y = pandas.DataFrame({"price": PRICE, "half": PRICE / 2})
    assert regressor(max_iter=3).fit(FRAME, y).predict(FRAME).shape == (ROWS, 2)


@pytest.mark.parametrize("bad", [np.inf, "much"])
def test_names_bad_cells(bad):
    rows = FRAME.astype({"area": object})
    rows.loc[7, "area"] = bad
    with pytest.raises(ValueError, match="area"):
        regressor().fit(rows, PRICE)


def test_rejects_rows_that_do_not_fit():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        regressor().fit(FRAME, PRICE[:10])
    with pytest.raises(ValueError, match="NaN"):
        regressor().fit(FRAME, np.full(ROWS, np.nan))


def test_bools_are_numbers_in_frames():
    """Columns of bools, as returned by get_dummies."""
    frame = NUMBERS.assign(dear=np.median(PRICE) < PRICE)
    models = [regressor(max_iter=3).fit(rows, PRICE) for rows in (frame, polars_of(frame))]
    assert models[0]._inputs.n_in == models[1]._inputs.n_in == 3
    assert_same_bits(models[0].predict(frame), models[1].predict(frame))


@pytest.mark.parametrize("kind", ["Int64", "Float64", "boolean"])
def test_nullable_columns_of_pandas(kind):
    column = pandas.array([1, None, 0] * 80, dtype=kind)
    frame = NUMBERS.assign(more=column)
    model = regressor(max_iter=3).fit(frame, PRICE)
    rows = frame.to_numpy(object)  # pandas.NA and numbers, without text
    assert rows[1, 1] is pandas.NA
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        assert_same_bits(model.predict(rows), model.predict(frame))
    if kind != "boolean":
        assert_same_bits(regressor(max_iter=3).fit(rows, PRICE).predict(rows), model.predict(frame))


def test_masked_entries_are_gaps():
    numbers = FRAME[["area", "age"]].to_numpy()
    masked = np.ma.masked_array(np.nan_to_num(numbers, nan=-1e9), np.isnan(numbers))
    model = regressor(max_iter=3).fit(numbers, PRICE)
    assert_same_bits(
        regressor(max_iter=3).fit(masked, PRICE).predict(masked), model.predict(numbers)
    )
    whole = regressor(max_iter=3).fit(NUMBERS.to_numpy(), PRICE)
    row = NUMBERS[:1].to_numpy()
    hidden, gap = np.ma.masked_equal(row, row[0, 0]), row.copy()
    gap[0, 0] = np.nan
    assert_same_bits(whole.predict(hidden), whole.predict(gap))


def test_sparse_rows_with_gaps():
    from scipy import sparse

    rows = FRAME[["area", "age"]].to_numpy()
    model = MLPRegressor(random_state=0)
    for _ in range(2):
        model.partial_fit(sparse.csr_array(rows), PRICE)
    assert_same_bits(model.predict(sparse.csr_array(rows)), model.predict(rows))
