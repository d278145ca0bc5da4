"""`handnn predict` and `handnn evaluate` on files like the training file, and on other files."""

from __future__ import annotations

import gzip
import io
import json
import os

import numpy as np
import pytest

import handnn
from tests.files.tables import as_csv, flats

pl = pytest.importorskip("polars")


@pytest.fixture
def model_of(handnn_command, table, tmp_path):
    """Trains a model for a target, and returns its path."""

    def train(target="price", columns=None, *options):
        path = tmp_path / f"{target}.safetensors"
        data = table(as_csv(columns or flats()), "train.csv")
        quick = ("--epochs", 5, "--networks", 2, "--hidden", 8, "--out", path)
        assert handnn_command("train", data, "--target", target, *quick, *options).code == 0
        return path

    return train


def numbers(text):
    return pl.read_csv(io.StringIO(text))["prediction"].to_numpy()


def test_predictions_are_those_of_the_model(handnn_command, table, model_of):
    path, columns = model_of(), flats(30, seed=1)
    frame = pl.DataFrame(columns).drop("price")
    expected = handnn.TableModel.load(path).predict(frame)
    result = handnn_command("predict", path, table(as_csv(columns)), "--quiet")
    assert (result.code, result.err) == (0, "")
    np.testing.assert_array_equal(numbers(result.out).astype(expected.dtype), expected)


def test_notes_additional_and_reordered_columns(handnn_command, table, model_of):
    path, columns = model_of(), flats(30, seed=1)
    expected = handnn_command("predict", path, table(as_csv(columns))).out
    turned = {"color": ["red"] * 30, **dict(reversed(columns.items()))}
    del turned["price"]
    result = handnn_command("predict", path, table(as_csv(turned)))
    assert (result.code, result.out) == (0, expected)
    assert "the columns are in another order than in training" in result.err
    assert "columns that training did not use are ignored: 'color'" in result.err


def test_names_missing_columns(handnn_command, table, model_of):
    columns = flats(30)
    columns["Area"] = columns.pop("area")
    del columns["floor"]
    result = handnn_command("predict", model_of(), table(as_csv(columns)))
    assert (result.code, result.out) == (1, "")
    assert "has no columns 'area', 'floor', which the model was trained on" in result.err
    assert "did you mean 'Area'?" in result.err


def test_suggests_only_columns_that_are_not_in_use(handnn_command, table, model_of):
    """Another column has a more similar name, but is already matched."""
    columns = flats()
    columns["total_rooms"], columns["total_room_s"] = columns["area"], columns["floor"]
    path = model_of("price", columns)
    columns["Total_Rooms"] = columns.pop("total_rooms")
    result = handnn_command("predict", path, table(as_csv(columns)))
    assert (
        "has no column 'total_rooms', which the model was trained on; did you mean 'Total_Rooms'"
        in (result.err)
    )


def test_rejects_text_in_a_column_of_numbers(handnn_command, table, model_of):
    columns = flats(30)
    columns["area"][7] = "large"
    result = handnn_command("predict", model_of(), table(as_csv(columns)))
    assert (result.code, result.out) == (1, "")
    assert "line 9, column 'area': 'large' is not a number" in result.err


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_numbers_in_a_column_of_text_are_unseen_categories(
    handnn_command, table, model_of, tmp_path, form
):
    columns = flats(30)
    columns["town"] = [1, 2, 3] * 10
    path = table(as_csv(columns))
    if form == "parquet":
        path = tmp_path / "t.parquet"
        pl.DataFrame(columns).write_parquet(path)
    result = handnn_command("predict", model_of(), path)
    assert result.code == 0
    assert "column 'town' has categories that training did not have in 30 rows" in result.err


def test_notes_new_categories(handnn_command, table, model_of):
    columns = flats(30)
    columns["town"][:2] = ["Mars", "Mars"]
    result = handnn_command("predict", model_of(), table(as_csv(columns)))
    assert result.code == 0
    assert (
        "column 'town' has categories that training did not have in 2 rows, such as 'Mars'"
        in result.err
    )


def test_probabilities_and_kept_columns(handnn_command, table, model_of):
    path, columns = model_of("town"), flats(12, seed=1)
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
    result = handnn_command("predict", model_of(), table(as_csv(flats(3))), "--json")
    assert [list(json.loads(line)) for line in result.out.splitlines()] == [["prediction"]] * 3


def test_out_is_replaced_atomically(handnn_command, table, model_of, tmp_path):
    path, out = model_of(), tmp_path / "out.csv"
    columns = flats(30)
    assert handnn_command("predict", path, table(as_csv(columns)), "--out", out).code == 0
    before = out.read_bytes()
    assert len(before.splitlines()) == 31
    columns["area"][29] = "x"
    assert handnn_command("predict", path, table(as_csv(columns)), "--out", out).code == 1
    assert out.read_bytes() == before
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]


@pytest.mark.parametrize("name", ["p.csv", "p.tsv", "p.csv.gz", "p.tsv.gz", "p.parquet"])
def test_the_suffix_decides_the_format(handnn_command, table, model_of, tmp_path, name):
    path, columns, out = model_of("town"), flats(30), tmp_path / name
    data = table(as_csv(columns))
    arguments = ["predict", path, data, "--keep", "--probabilities"]
    expected = pl.read_csv(io.StringIO(handnn_command(*arguments).out))
    assert handnn_command(*arguments, "--out", out).code == 0
    if name == "p.parquet":
        got = pl.read_parquet(out)
        assert got["area"].dtype == got["floor"].dtype == pl.Float64
        got = got.with_columns(pl.col("price").cast(pl.Float64), pl.col("floor").cast(pl.Int64))
    else:
        content = out.read_bytes()
        if name.endswith(".gz"):
            content = gzip.decompress(content)
        got = pl.read_csv(content, separator="\t" if ".tsv" in name else ",")
    p = [column for column in got.columns if column.startswith("p(")]
    assert len(p) == 3
    np.testing.assert_allclose(got[p].to_numpy(), expected[p].to_numpy(), rtol=1e-6)
    assert got.drop(p).equals(expected.drop(p))
    assert sorted(os.listdir(tmp_path)) == sorted([name, data.name, path.name, "train.csv"])


def test_parquet_is_replaced_atomically(handnn_command, table, model_of, tmp_path):
    columns = flats(30)
    columns["area"][29] = "x"
    path, out = model_of(), tmp_path / "out.parquet"
    result = handnn_command("predict", path, table(as_csv(columns)), "--out", out)
    assert (result.code, result.out) == (1, "") and "column 'area': 'x'" in result.err
    assert not [n for n in os.listdir(tmp_path) if n.startswith((".handnn", "out"))]
    result = handnn_command("predict", path, table(as_csv(flats(9))), "--out", out, "--json")
    assert result.code == 2 and "--json cannot be written to a Parquet file" in result.err


def test_a_full_disk_is_reported_for_the_parquet_file(
    handnn_command, table, model_of, tmp_path, monkeypatch
):
    path, out = model_of(), tmp_path / "out.parquet"

    def full(frame, file):
        raise OSError("No space left on device (os error 28)")  # the message of polars

    monkeypatch.setattr(pl.DataFrame, "write_ipc", full)
    result = handnn_command("predict", path, table(as_csv(flats(9))), "--out", out)
    assert (result.code, result.out) == (1, "")
    assert result.err.strip() == f"handnn: {out}: No space left on device (os error 28)"
    assert not [n for n in os.listdir(tmp_path) if n.startswith((".handnn", "out"))]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with a name here")
@pytest.mark.parametrize("name", ["out.csv", "out.parquet", "out.csv.gz"])
def test_does_not_replace_devices(handnn_command, table, model_of, tmp_path, name):
    """Devices, such as /dev/null, must not be replaced with a file, which root could do."""
    out = tmp_path / name
    os.mkfifo(out)
    result = handnn_command("predict", model_of(), table(as_csv(flats(9))), "--out", out)
    assert (result.code, result.out) == (1, "") and "not a regular file" in result.err
    assert out.is_fifo() and not [n for n in os.listdir(tmp_path) if n.startswith(".handnn")]


def test_refuses_to_overwrite_its_inputs(handnn_command, table, model_of):
    path, data = model_of(), table(as_csv(flats(30)))
    before = path.read_bytes(), data.read_bytes()
    for name in (path, data):
        result = handnn_command("predict", path, data, "--out", name)
        assert result.code == 1 and f"cannot write {name}: it is also the input" in result.err
    arguments = ["train", data, "--target", "price"]
    result = handnn_command(*arguments, "--out", data)
    assert result.code == 1 and f"cannot write {data}: it is also the input" in result.err
    result = handnn_command(*arguments, "--out", path, "--report", path)
    assert result.code == 1 and f"cannot write {path}: it is also another output" in result.err
    result = handnn_command("export", path, "--to", "c", "--out", path)
    assert result.code == 1 and f"cannot write {path}: it is also the input" in result.err
    assert (path.read_bytes(), data.read_bytes()) == before


def test_predict_remembers_gaps_and_decimal_point(handnn_command, table, tmp_path):
    columns = flats()
    columns["floor"][0] = "?"
    data, model = table(as_csv(columns, ";", decimal=",")), tmp_path / "m.safetensors"
    options = ["--decimal", ",", "--gap", "?", "--epochs", 2, "--hidden", 4, "--out", model]
    assert handnn_command("train", data, "--target", "price", *options).code == 0
    result = handnn_command("predict", model, data)
    assert (result.code, len(result.out.splitlines())) == (0, 121)


def test_evaluate_scores_all_rows(handnn_command, table, model_of):
    path, columns = model_of(), flats(40, seed=2)
    result = handnn_command("evaluate", path, table(as_csv(columns)), "--json")
    printed = json.loads(result.out)
    frame = pl.DataFrame(columns)
    wrong = handnn.TableModel.load(path).predict(frame.drop("price")) - frame["price"].to_numpy()
    assert printed["rows"] == 40
    assert printed["scores"]["rmse"] == pytest.approx(np.sqrt(np.mean(wrong**2)), rel=1e-6)
    assert printed["scores"]["mae"] == pytest.approx(np.mean(abs(wrong)), rel=1e-6)


@pytest.mark.parametrize("labels", [["yes", "no"], [1, 2], [0.5, 1.5], ["true", "false"]])
def test_evaluate_reads_labels_of_every_kind(handnn_command, table, model_of, labels):
    columns = flats()
    columns["kind"] = [labels[price > 1000] for price in columns.pop("price")]
    path = model_of("kind", columns, *(["--task", "binary"] if labels[0] == 0.5 else []))
    result = handnn_command("evaluate", path, table(as_csv(columns)), "--json")
    printed = json.loads(result.out)
    predicted = handnn_command("predict", path, table(as_csv(columns))).out.splitlines()[1:]
    right = np.mean([str(a) == b for a, b in zip(columns["kind"], predicted, strict=True)])
    assert printed["scores"]["accuracy"] == pytest.approx(right)


def test_evaluate_rejects_files_without_the_target(handnn_command, table, model_of):
    path, columns = model_of(), flats(20)
    columns["price"][4] = None
    result = handnn_command("evaluate", path, table(as_csv(columns)))
    assert result.code == 1 and "line 6: the target 'price' has no value" in result.err
    del columns["price"]
    result = handnn_command("evaluate", path, table(as_csv(columns)))
    assert result.code == 1 and "no column 'price' to compare predictions with" in result.err
    columns = flats(20)
    columns["town"][5] = "Mars"
    result = handnn_command("evaluate", model_of("town"), table(as_csv(columns)))
    assert (
        result.code == 1
        and "line 7: 'Mars' is not a class of the target 'town' in training" in result.err
    )
