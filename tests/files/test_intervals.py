"""Intervals and sets on the command line: predicted, measured, and exported."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import handnn
from handnn.files import FileModel
from handnn.files.export import interval_model
from handnn.files.report.coverage import CoverageCount
from tests.files.tables import as_csv

pl = pytest.importorskip("polars")

RNG = np.random.default_rng(0)
N = 300
X = RNG.normal(size=N).round(3)
TOWN = RNG.choice(["Ulm", "Bonn"], N)
Y = (X + (TOWN == "Ulm") + RNG.normal(size=N)).round(3)
ROWS = {"x": X.tolist(), "town": TOWN.tolist()}
KIND = np.array(["low", "mid", "high"])[np.digitize(Y, [-0.5, 1.0])].tolist()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return the paths of a regression, of classes, of two targets, and of a table."""
    folder = tmp_path_factory.mktemp("intervals")
    table = folder / "t.csv"
    table.write_text(as_csv({**ROWS, "kind": KIND, "z": (2 * Y).tolist(), "y": Y.tolist()}))
    settings = {"epochs": 30, "hidden": [8], "networks": 16}
    for name, target, ignore in (
        ("y", "y", "kind,z"),
        ("kind", "kind", "y,z"),
        ("both", "y,z", "kind"),
    ):
        model = handnn.train_file(table, target, ignore=ignore, **settings)
        model.save(folder / name)
    return folder


def test_predicts_the_ends_of_intervals(files, handnn_command):
    done = handnn_command("predict", files / "y", files / "t.csv", "--interval", 0.8)
    assert done.code == 0
    lines = list(csv.DictReader(done.out.splitlines()))
    assert list(lines[0]) == ["prediction", "low", "high"]
    model = FileModel.load(files / "y")
    expected = model.predict_interval(pl.DataFrame(ROWS), 0.8)
    found = np.array([[line["low"], line["high"]] for line in lines], float)
    np.testing.assert_allclose(found, expected)
    done = handnn_command("predict", files / "both", files / "t.csv", "--interval", 0.8)
    assert done.out.splitlines()[0].split(",")[2:] == [
        "low of y",
        "high of y",
        "low of z",
        "high of z",
    ]


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
def test_predicts_sets(files, handnn_command, tmp_path, suffix):
    words = ["predict", files / "kind", files / "t.csv", "--interval", 0.9]
    expected = FileModel.load(files / "kind").predict_set(pl.DataFrame(ROWS), 0.9)
    classes = np.array(["high", "low", "mid"])
    if suffix == "parquet":
        assert handnn_command(*words, "--out", tmp_path / "p.parquet").code == 0
        found = pl.read_parquet(tmp_path / "p.parquet")["set"].to_list()
    else:
        out = handnn_command(*words, *(["--json"] if suffix == "json" else [])).out
        if suffix == "json":
            found = [json.loads(line)["set"] for line in out.splitlines()]
        else:
            found = [json.loads(line["set"]) for line in csv.DictReader(out.splitlines())]
    assert found == [classes[row].tolist() for row in expected]


def test_evaluate_and_the_report_tell_the_coverage(files, handnn_command, tmp_path):
    for name in ("y", "kind"):
        done = handnn_command("evaluate", files / name, files / "t.csv")
        assert "for 80, 90, 95 % cover " in done.out.splitlines()[-1]
        done = handnn_command("evaluate", files / name, files / "t.csv", "--json")
        entries = json.loads(done.out)["coverage"]
        assert [entry["asked"] for entry in entries] == [0.8, 0.9, 0.95]
        for entry in entries:
            assert entry["covered"] == pytest.approx(entry["asked"], abs=0.08)
    model = FileModel.load(files / "y")
    low, high = model.predict_interval(pl.DataFrame(ROWS), 0.9).T
    done = json.loads(handnn_command("evaluate", files / "y", files / "t.csv", "--json").out)
    assert done["coverage"][1]["covered"] == np.mean((low <= Y) & (high >= Y))
    assert done["coverage"][1]["size"] == pytest.approx(np.mean(high - low))
    words = ["train", files / "t.csv", "--target", "kind", "--ignore", "y,z", "--epochs", 3]
    out = ["--out", tmp_path / "m", "--report", tmp_path / "r.html", "--json"]
    done = handnn_command(*words, *out)
    assert len(json.loads(done.out)["coverage"]) == 3
    page = Path(tmp_path / "r.html").read_text("utf-8")
    assert '<h2 id="sets">Sets</h2>' in page and "mean size of a set" in page


def test_blocks_count_like_all_rows(files):
    frame = pl.DataFrame(ROWS)
    for name, measured in (
        ("y", Y),
        ("kind", np.array([{"high": 0, "low": 1, "mid": 2}[k] for k in KIND])),
    ):
        model = FileModel.load(files / name)
        answers = np.asarray(
            model.predict(frame) if name == "y" else model.predict_proba(frame), np.float64
        )
        whole, parts = CoverageCount(model), CoverageCount(model)
        whole.add(frame, measured, answers)
        for start in range(0, N, 70):
            part = slice(start, start + 70)
            parts.add(frame[part], measured[part], answers[part])
        for one, other in zip(whole.result(), parts.result(), strict=True):
            assert one.asked == other.asked
            assert [one.covered, one.size] == pytest.approx([other.covered, other.size])


def test_exports_have_the_ends_of_intervals(files, handnn_command, tmp_path):
    model = FileModel.load(files / "y")
    expected = np.c_[
        model.predict(pl.DataFrame(ROWS)), model.predict_interval(pl.DataFrame(ROWS), 0.9)
    ]
    for form in ("c", "header", "onnx"):
        out = tmp_path / f"m.{form}"
        done = handnn_command("export", files / "y", "--to", form, "--out", out, "--interval", 0.9)
        if form == "onnx" and done.code and "onnx" in done.err:
            continue  # not installed
        assert done.code == 0, done.err
    assert "y[1]  y low" in (tmp_path / "m.header").read_text()
    compiler = shutil.which("cc")
    if compiler:
        program = tmp_path / "program"
        flags = ["-std=c99", "-O1", "-x", "c"]
        subprocess.run([compiler, *flags, tmp_path / "m.c", "-lm", "-o", program], check=True)
        lines = subprocess.run(
            [program], input=as_csv(ROWS).encode(), capture_output=True, check=True
        )
        found = [line.split(",") for line in lines.stdout.decode().splitlines()]
        numbers = [line for line in found if line[0][-1:].isdigit()]
        np.testing.assert_allclose(np.array(numbers, float), expected, rtol=1e-6)
    three = interval_model(model, 0.9)
    assert three.notes.target_names == ("y", "y low", "y high")


@pytest.mark.parametrize(("settings", "rows"), [({"loss": "quantile:0.9"}, N), ({}, 35)])
def test_models_without_held_out_rows_say_so(handnn_command, tmp_path, settings, rows):
    table = tmp_path / "t.csv"
    table.write_text(as_csv({"x": X[:rows].tolist(), "y": Y[:rows].tolist()}))
    model = handnn.train_file(table, "y", epochs=1, hidden=[4], **settings)
    assert model.notes.story["coverage"] == []
    model.save(tmp_path / "m")
    for words in (
        ["predict", tmp_path / "m", table, "--interval", 0.9],
        ["export", tmp_path / "m", "--to", "header", "--interval", 0.9],
    ):
        done = handnn_command(*words)
        assert done.code == 1
        assert "the model has no errors on held-out rows" in done.err
        assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("target", ["y", "kind"])
def test_streamed_models_cover_what_is_asked(files, target):
    ignored = [name for name in ("y", "z", "kind") if name != target]
    options = {"epochs": 3, "hidden": [4], "ignore": ignored, "hold_out": 0.5}
    models = [
        handnn.train_file(files / "t.csv", target, stream=stream, shards=2, **options)
        for stream in (False, True)
    ]
    one, other = (model.notes.story["coverage"] for model in models)
    assert one == other and [entry["asked"] for entry in one] == [0.8, 0.9, 0.95]
    for entry in one:
        assert entry["covered"] == pytest.approx(entry["asked"], abs=0.12)


def test_sets_cannot_be_exported(files, handnn_command):
    words = ["export", files / "kind", "--to", "header", "--interval", 0.9, "--force"]
    done = handnn_command(*words)
    assert done.code == 1 and "needs a regression; sets of classes are not constants" in done.err


def test_onnx_has_the_ends_of_intervals(files):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    model = FileModel.load(files / "y")
    session = runtime.InferenceSession(handnn.to_onnx(model.with_interval(0.8)).SerializeToString())
    names = {node.name for node in session.get_inputs()}
    given = {"x": X[:, None].astype(np.float64), "text": TOWN[:, None].astype(object)}
    (found,) = session.run(None, {name: given[name] for name in names})
    np.testing.assert_allclose(
        found[:, 1:], model.predict_interval(pl.DataFrame(ROWS), 0.8), rtol=1e-5, atol=1e-6
    )
