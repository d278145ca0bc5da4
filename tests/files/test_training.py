"""`handnn train` and `handnn inspect`: models, scores, messages and errors."""

from __future__ import annotations

import gzip
import json
import os
import sys
from time import process_time

import numpy as np
import pytest

import handnn
from handnn.layers import Dropout
from tests.files.tables import as_csv, flats

pl = pytest.importorskip("polars")

QUICK = ("--epochs", 30, "--networks", 2, "--hidden", "16,16")
SCORES = {
    "regression": ["rmse", "mae", "r2"],
    "binary": ["accuracy", "auc", "log_loss"],
    "multiclass": ["accuracy", "balanced_accuracy", "log_loss"],
}


@pytest.fixture
def train(handnn_command, tmp_path):
    """Trains a small model, and returns its path and the printed JSON."""

    def run(data, target="price", *options):
        out = tmp_path / "model.safetensors"
        arguments = [*QUICK, "--out", out, "--json", *options]
        result = handnn_command("train", data, "--target", target, *arguments)
        assert result.code == 0, result.err
        return out, json.loads(result.out)

    return run


def labeled(count=150):
    columns = flats(count)
    columns["size"] = ["large" if price > 1000 else "small" for price in columns.pop("price")]
    return columns


@pytest.mark.parametrize(
    ("columns", "target", "task", "trivial"),
    [
        (flats(), "price", "regression", "the mean"),
        (flats(), "town", "multiclass", "the most frequent class"),
        (labeled(), "size", "binary", "the most frequent class"),
    ],
)
@pytest.mark.parametrize("stream", [(), ("--stream",)])
def test_scores_are_better_than_baselines(table, train, columns, target, task, trivial, stream):
    _, printed = train(table(as_csv(columns)), target, *stream)
    assert printed["task"] == task
    assert list(printed["baselines"]) == [trivial, "least squares"]
    for scores in (printed["scores"], *printed["baselines"].values()):
        assert list(scores) == SCORES[task]
    first = SCORES[task][0]
    ours, theirs = printed["scores"][first], printed["baselines"][trivial][first]
    if target != "town":  # the other columns hardly depend on it
        assert ours < 0.6 * theirs if task == "regression" else ours > theirs + 0.1


def test_least_squares_uses_unscaled_numbers(table, train):
    """With quantile scaling, as for the networks, the relation would not be linear."""
    rng = np.random.default_rng(0)
    income = rng.lognormal(10, 1, 200).round(2)
    columns = {"income": income.tolist(), "tax": (0.3 * income + rng.normal(0, 1, 200)).tolist()}
    _, printed = train(table(as_csv(columns)), "tax")
    assert printed["baselines"]["least squares"]["rmse"] < 5


def test_networks_follow_the_recipe(table, train):
    model, _ = train(table(as_csv(flats())))
    loaded = handnn.TableModel.load(model)
    assert all(c.knots for c in loaded.columns.columns if c.kind == "number")
    seeds = [
        layer.seed for n in loaded.networks for layer in n.layers if isinstance(layer, Dropout)
    ]
    assert len(seeds) == len(set(seeds)) == 2 * len(loaded.networks)


def test_scores_are_those_of_the_held_out_rows(table, train, handnn_command):
    columns = flats(200)
    model, printed = train(table(as_csv(columns)))
    assert printed["rows"] == {"trained": 160, "held_out": 40}
    loaded = handnn.TableModel.load(model)
    frame = pl.DataFrame(columns)
    wrong = loaded.predict(frame.drop("price")) - frame["price"].to_numpy()
    # The held-out rows are the first 40 of a permutation by the seed.
    rows = np.random.default_rng(0).permutation(200)[:40]
    assert np.sqrt(np.mean(wrong[rows] ** 2)) == pytest.approx(printed["scores"]["rmse"], rel=1e-6)


def test_every_class_has_a_training_row(table, train):
    columns = flats(60)
    columns["town"][:3] = ["Mars", "Venus", "Venus"]
    model, printed = train(table(as_csv(columns)), "town", "--hold-out", 0.8)
    assert "Mars" in handnn.TableModel.load(model).target.classes.tolist()
    assert printed["rows"]["held_out"] < 48


def test_held_out_rows_do_not_affect_the_model(table, train):
    columns = flats(200)
    before = train(table(as_csv(columns)))[0].read_bytes()
    for row in np.random.default_rng(0).permutation(200)[:40]:
        columns["area"][row], columns["price"][row] = 1e6, -1e6
    model, _ = train(table(as_csv(columns)))
    arrays = handnn.TableModel.load(model).networks[0].params
    model.write_bytes(before)
    for name, array in handnn.TableModel.load(model).networks[0].params.items():
        np.testing.assert_array_equal(arrays[name], array)


@pytest.mark.parametrize("form", ["tsv", "gz", "parquet", "semicolon"])
def test_the_file_format_does_not_affect_the_model(table, train, tmp_path, form):
    columns = flats()
    expected, _ = train(table(as_csv(columns)))
    arrays = handnn.TableModel.load(expected).networks[1].params
    if form == "parquet":
        path = tmp_path / "table.parquet"
        pl.DataFrame(columns).write_parquet(path)
    elif form == "semicolon":
        path = table(as_csv(columns, ";", "\r\n", ","), "t.csv")
    else:
        text = as_csv(columns, "\t" if form == "tsv" else ",").encode()
        path = table(gzip.compress(text) if form == "gz" else text, f"t.{form}")
    model, _ = train(path, "price", *(["--decimal", ","] if form == "semicolon" else []))
    for name, array in handnn.TableModel.load(model).networks[1].params.items():
        np.testing.assert_array_equal(array, arrays[name])


def test_the_seed_decides_the_bytes_of_the_model(table, train):
    data = table(as_csv(flats()))
    first = train(data)[0].read_bytes()
    assert train(data)[0].read_bytes() == first
    assert train(data, "price", "--seed", 1)[0].read_bytes() != first


def test_messages_go_to_stderr_unless_quiet(handnn_command, table, tmp_path):
    data, out = table(as_csv(flats())), tmp_path / "m.safetensors"
    arguments = ["train", data, "--target", "price", *QUICK, "--out", out]
    code, printed, messages = handnn_command(*arguments)
    assert code == 0
    *scores, verdict = printed.splitlines()
    assert [line.split("  ")[0] for line in scores] == [
        "24 held-out rows", "the mean", "least squares", "this model",
    ]  # fmt: skip
    assert verdict.startswith("not better than least squares on the held-out rows: RMSE ")
    assert "96 rows to train on, 24 held out" in messages
    assert "2 columns of numbers, 1 of categories ('town')" in messages
    assert "gaps are filled in 'floor'" in messages
    assert handnn_command(*arguments, "--quiet") == (0, printed, "")


def test_ignored_columns_and_chosen_categories(table, train, handnn_command):
    columns = flats()
    columns["id"] = [f"flat {k}" for k in range(120)]
    data = table(as_csv(columns))
    refused = handnn_command("train", data, "--target", "price", *QUICK, "--strict")
    assert refused.code == 1 and "use --ignore id to leave it out" in refused.err
    model, _ = train(data, "price", "--ignore", "id", "--category", "floor")
    printed = json.loads(handnn_command("inspect", model, "--json").out)
    assert printed["columns"] == {"area": "number", "floor": "category", "town": "category"}


def test_rows_without_a_target_are_left_out(table, train, handnn_command):
    columns = flats()
    columns["price"][3] = columns["price"][70] = None
    data = table(as_csv(columns))
    note = "note: target 'price' has no value in 2 rows, the first in line 5: they are left out"
    assert note in handnn_command("train", data, "--target", "price", *QUICK).err.splitlines()
    refused = handnn_command("train", data, "--target", "price", *QUICK, "--strict")
    assert (
        refused.code == 1
        and "no value in 2 rows, the first in line 5; use --drop-gaps" in refused.err
    )
    _, printed = train(data, "price", "--drop-gaps", "--strict")
    assert printed["decisions"] == []
    assert sum(printed["rows"].values()) == 118


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "--target must name a column: 'area', 'floor', 'town', 'price'"),
        (["--target", "Price"], 1, "did you mean 'price'?"),
        (["--target", "price", "--ignore", "aera"], 1, "did you mean 'area'?"),
        (["--target", "price", "--ignore", "area,floor,town"], 1, "no column except the target"),
        (
            ["--target", "price", "--hidden", "a,b"],
            2,
            "'a,b' is not a list of layer widths such as 64,64",
        ),
        (["--target", "price", "--epochs", 0], 2, "Invalid value for '--epochs'"),
        (
            ["--target", "price", "--task", "binary"],
            1,
            "distinct values, but the task 'binary' needs two",
        ),
        (["--target", "town", "--task", "regression"], 1, "in line 2"),
        (["--target", "price", "--out", "no/such/folder/m"], 1, "cannot write no/such/folder/m"),
        (["--target", "price", "--delimiter", "xx"], 1, "the delimiter must be one character"),
    ],
)
def test_errors_are_one_line(handnn_command, table, arguments, code, message):
    result = handnn_command("train", table(as_csv(flats())), *QUICK, *arguments)
    assert (result.code, result.out) == (code, "")
    assert message in result.err
    assert result.err.count("\n") == 1


def test_missing_files_are_named(handnn_command, tmp_path):
    for command in ("train", "predict", "evaluate", "inspect"):
        arguments = [tmp_path / "no.csv"] * (1 if command in ("train", "inspect") else 2)
        result = handnn_command(command, *arguments)
        assert result.code == 1
        assert "no.csv: No such file or directory" in result.err
    result = handnn_command("inspect", tmp_path)
    assert result.code == 1 and "is a folder" in result.err


def test_missing_polars_raises_a_helpful_error(handnn_command, table, monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    result = handnn_command("train", table("a,b\n"), "--target", "a")
    assert result.code == 1
    assert "pip install polars" in result.err


def test_ctrl_c_leaves_no_file(handnn_command, table, tmp_path, monkeypatch):
    from handnn.files.learning import in_memory

    def press(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(in_memory, "fit_table", press)
    data, folder = table(as_csv(flats())), tmp_path / "out"
    folder.mkdir()
    options = ["--out", folder / "m", "--report", folder / "r"]
    result = handnn_command("train", data, "--target", "price", *QUICK, *options)
    assert result.code == 130
    assert result.err.endswith("interrupted\n")
    assert os.listdir(folder) == []


def test_inspect_rejects_a_plain_network(handnn_command, tmp_path):
    path = tmp_path / "network.safetensors"
    handnn.mlp([2, 3, 1], rng=0).save(path)
    result = handnn_command("inspect", path)
    assert result.code == 1
    assert "handnn.load" in result.err


@pytest.mark.skipif(
    "HANDNN_HOUSING" not in os.environ, reason="HANDNN_HOUSING does not say where housing.csv is"
)
def test_california_housing_with_defaults(handnn_command, tmp_path):
    """It takes 25 s of CPU time alone on the machine, and more if others share its cores."""
    start = process_time()
    result = handnn_command(
        "train", os.environ["HANDNN_HOUSING"], "--target", "median_house_value", "--json",
        "--out", tmp_path / "m",
    )  # fmt: skip
    printed = json.loads(result.out)
    assert printed["scores"]["rmse"] <= 47_000
    assert process_time() - start < 60


def test_networks_that_one_file_cannot_hold_are_an_error_before_training(table, monkeypatch):
    columns = flats()
    n_rows = len(columns["price"])
    columns |= {f"code {n}": [f"n{k % 3}" for k in range(n_rows)] for n in range(9)}
    monkeypatch.setattr("handnn.files.learning.settings.MAX_ARRAYS", 60)
    monkeypatch.setattr("handnn.files.learning.in_memory.fit_table", None)
    with pytest.raises(ValueError, match="networks of 16 arrays do not .*; use at most networks=1"):
        handnn.train_file(table(as_csv(columns)), "price")
