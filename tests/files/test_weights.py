"""Weights of the training rows, and a separate file that scores the model."""

from __future__ import annotations

import numpy as np
import pytest

import handnn
from handnn.files import TableError
from tests.files.tables import as_csv, flats

pytest.importorskip("polars")

QUICK = {"epochs": 30, "networks": 1, "hidden": [8]}


def two_lines(n=400):
    """Rows that lie on one of two straight lines at random, with weights for one of the lines."""
    rng = np.random.default_rng(0)
    is_first = rng.random(n) < 0.5
    x = rng.normal(size=n).round(3)
    y = np.where(is_first, 3 * x, -3 * x).round(3)
    return {"x": x.tolist(), "w": np.where(is_first, 1.0, 0.0).tolist(), "y": y.tolist()}


def test_rows_of_weight_0_are_not_learned(table):
    columns = two_lines()
    model = handnn.train_file(table(as_csv(columns)), "y", weight="w", **QUICK)
    assert list(model.kinds) == ["x"]
    high, low = model.predict({"x": [1.0, -1.0]})
    assert high > 2 and low < -2
    both = handnn.train_file(table(as_csv(columns)), "y", ignore="w", **QUICK)
    assert abs(both.predict({"x": [1.0, -1.0]})).max() < 2


def test_balanced_classes_are_predicted_more_often(table):
    rng = np.random.default_rng(0)
    x = rng.normal(size=600)
    y = np.where(x + rng.normal(size=600) > 1.8, "rare", "common")
    path = table(as_csv({"x": x.round(3).tolist(), "y": y.tolist()}))
    usual = handnn.train_file(path, "y", **QUICK)
    balanced = handnn.train_file(path, "y", class_weight="balanced", **QUICK)
    rows = {"x": np.linspace(-2, 2, 50)}
    assert (balanced.predict(rows) == "rare").sum() > (usual.predict(rows) == "rare").sum()


def test_a_separate_file_scores_the_model(handnn_command, table, tmp_path):
    columns = flats()
    test = {name: values[:40] for name, values in columns.items()}
    train, other = table(as_csv(columns)), table(as_csv(test), "test.csv")
    model = handnn.train_file(train, "price", test=other, **QUICK)
    assert model.training.n_train == len(columns["price"]) and len(model.training.held_out) == 40
    words = ["train", train, "--target", "price", "--test", other, "--epochs", 1]
    done = handnn_command(*words, "--networks", 1, "--out", tmp_path / "m")
    assert done.code == 0 and done.out.startswith("40 held-out rows")
    done = handnn_command(*words, "--out", other)
    assert done.code == 1 and "it is also the input" in done.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": "v"}, "has no column 'v' of weights"),
        ({"weight": "town"}, "the weights 'town' must all be numbers"),
        ({"weight": "y"}, "cannot hold weights"),
        ({"weight": "gap"}, "the weights 'gap' have no value in line 2"),
        ({"weight": "x"}, "the weights 'x' must be 0 or more"),
        ({"weight": "w", "stream": True}, "cannot be streamed"),
        ({"class_weight": "balanced"}, "has no classes to be weighted"),
        ({"class_weight": "x"}, "class_weight must be 'balanced'"),
        ({"test": "other"}, "has no column 'town', which the model was trained on"),
    ],
)
def test_errors(table, options, message):
    columns = two_lines(60)
    columns |= {"town": ["u", "v"] * 30, "gap": [None, *range(59)]}
    if "test" in options:
        options = {"test": table("x,w,gap,y\n1,1,1,1\n", "other")}
    with pytest.raises((TableError, ValueError), match=message):
        handnn.train_file(table(as_csv(columns)), "y", **QUICK, **options)
