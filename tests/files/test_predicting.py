"""`handnn predict` and `evaluate`: files like those in training, and files that are not."""

from __future__ import annotations

import io
import json
import os

import numpy as np
import pytest

import handnn
from tests.files.tables import as_csv, rooms

pl = pytest.importorskip("polars", reason="polars is not installed: pip install 'handnn[data]'")


@pytest.fixture
def model_of(handnn_command, table, tmp_path):
    """Trains a model of a target, and returns its path."""

    def train(target="price", columns=None, *options):
        path = tmp_path / f"{target}.safetensors"
        data = table(as_csv(columns or rooms()), "train.csv")
        quick = ("--epochs", 5, "--networks", 2, "--hidden", 8, "--out", path)
        assert handnn_command("train", data, "--target", target, *quick, *options).code == 0
        return path

    return train


def numbers(text):
    return pl.read_csv(io.StringIO(text))["prediction"].to_numpy()


def test_predictions_are_those_of_the_model(handnn_command, table, model_of):
    path, columns = model_of(), rooms(30, seed=1)
    frame = pl.DataFrame(columns).drop("price")
    expected = handnn.TableModel.load(path).predict(frame)
    result = handnn_command("predict", path, table(as_csv(columns)), "--quiet")
    assert (result.code, result.err) == (0, "")
    np.testing.assert_array_equal(numbers(result.out).astype(expected.dtype), expected)


def test_order_and_more_columns_are_noted_and_change_nothing(handnn_command, table, model_of):
    path, columns = model_of(), rooms(30, seed=1)
    expected = handnn_command("predict", path, table(as_csv(columns))).out
    turned = {"colour": ["red"] * 30, **dict(reversed(columns.items()))}
    del turned["price"]
    result = handnn_command("predict", path, table(as_csv(turned)))
    assert (result.code, result.out) == (0, expected)
    assert "the columns stand in another order than in training" in result.err
    assert "not used, as training did not: 'colour'" in result.err


def test_a_missing_column_is_named(handnn_command, table, model_of):
    columns = rooms(30)
    columns["Area"] = columns.pop("area")
    del columns["floor"]
    result = handnn_command("predict", model_of(), table(as_csv(columns)))
    assert (result.code, result.out) == (1, "")
    assert "has no column 'area', 'floor', which the model was trained on" in result.err
    assert "is 'Area' meant?" in result.err


def test_text_in_the_place_of_numbers(handnn_command, table, model_of):
    columns = rooms(30)
    columns["area"][7] = "large"
    result = handnn_command("predict", model_of(), table(as_csv(columns)))
    assert (result.code, result.out) == (1, "")
    assert "line 9, column 'area': 'large' is no number" in result.err


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_numbers_in_the_place_of_text(handnn_command, table, model_of, tmp_path, form):
    columns = rooms(30)
    columns["town"] = [1, 2, 3] * 10
    path = table(as_csv(columns))
    if form == "parquet":
        path = tmp_path / "t.parquet"
        pl.DataFrame(columns).write_parquet(path)
    result = handnn_command("predict", model_of(), path)
    assert (result.code, result.out) == (1, "")
    assert "column 'town' holds numbers, such as '1', but in training it held text" in result.err


def test_a_new_category_is_noted(handnn_command, table, model_of):
    columns = rooms(30)
    columns["town"][:2] = ["Mars", "Mars"]
    result = handnn_command("predict", model_of(), table(as_csv(columns)))
    assert result.code == 0
    assert "column 'town' has in 2 rows what training had not: 'Mars'" in result.err


def test_probabilities_and_kept_columns(handnn_command, table, model_of):
    path, columns = model_of("town"), rooms(12, seed=1)
    result = handnn_command("predict", path, table(as_csv(columns)), "--probabilities", "--keep")
    got = pl.read_csv(io.StringIO(result.out))
    assert got.columns == [
        *columns, "prediction", "p(Bonn)", "p(Köln)", "p(Ulm)",
    ]  # fmt: skip
    p = got.select(pl.col("^p\\(.*$")).to_numpy()
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    assert got["prediction"].to_list() == [["Bonn", "Köln", "Ulm"][k] for k in p.argmax(axis=1)]
    assert got["town"].to_list() == columns["town"]


def test_json_is_an_object_a_line(handnn_command, table, model_of):
    result = handnn_command("predict", model_of(), table(as_csv(rooms(3))), "--json")
    assert [list(json.loads(line)) for line in result.out.splitlines()] == [["prediction"]] * 3


def test_out_is_written_whole_or_not_at_all(handnn_command, table, model_of, tmp_path):
    path, out = model_of(), tmp_path / "out.csv"
    columns = rooms(30)
    assert handnn_command("predict", path, table(as_csv(columns)), "--out", out).code == 0
    before = out.read_bytes()
    assert len(before.splitlines()) == 31
    columns["area"][29] = "x"
    assert handnn_command("predict", path, table(as_csv(columns)), "--out", out).code == 1
    assert out.read_bytes() == before
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]


def test_the_model_knows_gaps_and_decimal_point_of_training(handnn_command, table, tmp_path):
    columns = rooms()
    columns["floor"][0] = "?"
    data, model = table(as_csv(columns, ";", decimal=",")), tmp_path / "m.safetensors"
    options = ["--decimal", ",", "--gap", "?", "--epochs", 2, "--hidden", 4, "--out", model]
    assert handnn_command("train", data, "--target", "price", *options).code == 0
    result = handnn_command("predict", model, data)
    assert (result.code, len(result.out.splitlines())) == (0, 121)


def test_evaluate_gives_the_scores_of_all_rows(handnn_command, table, model_of):
    path, columns = model_of(), rooms(40, seed=2)
    result = handnn_command("evaluate", path, table(as_csv(columns)), "--json")
    told = json.loads(result.out)
    frame = pl.DataFrame(columns)
    wrong = handnn.TableModel.load(path).predict(frame.drop("price")) - frame["price"].to_numpy()
    assert told["rows"] == 40
    assert told["scores"]["rmse"] == pytest.approx(np.sqrt(np.mean(wrong**2)), rel=1e-6)
    assert told["scores"]["mae"] == pytest.approx(np.mean(abs(wrong)), rel=1e-6)


@pytest.mark.parametrize("labels", [["yes", "no"], [1, 2], [0.5, 1.5], ["true", "false"]])
def test_evaluate_knows_labels_of_every_kind(handnn_command, table, model_of, labels):
    columns = rooms()
    columns["kind"] = [labels[price > 1000] for price in columns.pop("price")]
    path = model_of("kind", columns, *(["--task", "binary"] if labels[0] == 0.5 else []))
    result = handnn_command("evaluate", path, table(as_csv(columns)), "--json")
    told = json.loads(result.out)
    predicted = handnn_command("predict", path, table(as_csv(columns))).out.splitlines()[1:]
    right = np.mean([str(a) == b for a, b in zip(columns["kind"], predicted, strict=True)])
    assert told["scores"]["accuracy"] == pytest.approx(right)


def test_evaluate_refuses_what_has_no_target(handnn_command, table, model_of):
    path, columns = model_of(), rooms(20)
    columns["price"][4] = None
    result = handnn_command("evaluate", path, table(as_csv(columns)))
    assert result.code == 1 and "line 6: the target 'price' has no value" in result.err
    del columns["price"]
    result = handnn_command("evaluate", path, table(as_csv(columns)))
    assert result.code == 1 and "no column 'price', the target of the model" in result.err
    columns = rooms(20)
    columns["town"][5] = "Mars"
    result = handnn_command("evaluate", model_of("town"), table(as_csv(columns)))
    assert result.code == 1 and "line 7: 'Mars' is no class of the target 'town'" in result.err
