"""`handnn.train_file`: the Python interface of `handnn train`."""

from __future__ import annotations

import inspect
import pickle

import numpy as np
import pytest

import handnn
from handnn.cli.output import as_flag
from handnn.files import FileModel, TableError
from handnn.files.errors import Option, Remedy
from tests.files.tables import as_csv, flats

pl = pytest.importorskip("polars")


def test_writes_the_bytes_and_scores_of_the_command(handnn_command, table, tmp_path):
    path, out = table(as_csv(flats(), ";", decimal=",")), tmp_path / "command"
    flags = ["--epochs", 3, "--networks", 2, "--hidden", "8,4", "--seed", 3, "--lr", 0.01]
    flags += ["--hold-out", 0.3, "--ignore", "floor", "--decimal", ",", "--gap", "?", "--out", out]
    assert handnn_command("train", path, "--target", "price", *flags).code == 0
    model = handnn.train_file(
        path,
        "price",
        epochs=3,
        networks=2,
        hidden=[8, 4],
        seed=3,
        lr=0.01,
        hold_out=0.3,
        ignore=["floor"],
        decimal=",",
        gaps=["?"],
    )
    model.save(tmp_path / "python")
    assert (tmp_path / "python").read_bytes() == out.read_bytes()
    loaded = FileModel.load(out)
    assert loaded.scores == model.scores and list(model.scores) == ["rmse", "mae", "r2"]
    assert loaded.baselines == model.baselines
    assert list(model.baselines) == ["the mean", "least squares"]


@pytest.mark.parametrize("stream", [False, True])
def test_predicts_frames_and_logs_each_stage(table, stream):
    columns = flats()
    lines = []
    model = handnn.train_file(
        table(as_csv(columns)), "town", stream=stream, epochs=2, hidden=(4,), log=lines.append
    )
    assert isinstance(model, handnn.TableModel)
    assert set(model.predict(pl.DataFrame(columns).drop("town"))) <= {"Ulm", "Bonn", "Köln"}
    stages = [line for line in lines if line.startswith(("network", "epoch"))]
    assert len(stages) == (2 if stream else 48)  # 16 networks, and 32 linear ones
    assert model.kinds == {"area": "number", "floor": "number", "price": "number"}
    assert model.training is not None and len(model.training.held_out) > 0


def test_the_report_ends_with_the_call(table, tmp_path):
    path, report = table(as_csv(flats())), tmp_path / "report.html"
    options = {"seed": 1, "hidden": (4,), "epochs": 2, "ignore": "floor,town"}
    handnn.train_file(path, "price", **options, report=report)
    page = report.read_text("utf-8").replace("&#x27;", "'")
    call = f"handnn.train_file({path.name!r}, 'price', ignore=['floor', 'town'], hidden=[4], "
    assert call + "epochs=2, seed=1)" in page


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"task": "ranking"}, ValueError),
        ({"hold_out": 0.0}, ValueError),
        ({"hold_out": 0.95}, ValueError),
        ({"hidden": [0]}, ValueError),
        ({"networks": 1.5}, TypeError),
        ({"epochs": 0}, ValueError),
        ({"batch_size": 0}, ValueError),
        ({"lr": -1}, ValueError),
        ({"seed": -1}, ValueError),
        ({"decimal": ";"}, ValueError),
    ],
)
def test_checks_its_arguments(table, options, error):
    with pytest.raises(error, match=rf"train_file: .*{next(iter(options))}"):
        handnn.train_file(table(as_csv(flats())), "price", **options)


NOT_CHECKED = {"path", "executor", "comm", "log"}
"""Opened, or objects with methods of their own."""


@pytest.mark.parametrize(
    "wrong",
    [0.5 + 1j, np.array([0.5, 2.0]), object()],
    ids=["a complex number", "an array", "an object"],
)
def test_errors_name_the_argument(table, wrong):
    path = table(as_csv(flats(40)))
    for name in set(inspect.signature(handnn.train_file).parameters) - NOT_CHECKED:
        given = {"target": "price", "epochs": 1, "networks": 1, name: wrong}
        with pytest.raises((TypeError, ValueError), match=rf"train_file: .*{name}"):
            handnn.train_file(path, **given)


def test_the_place_of_a_report_is_checked_before_training(table, tmp_path, monkeypatch):
    path = table(as_csv(flats(40)))
    monkeypatch.setattr("handnn.files.train._train", lambda *_: pytest.fail("trains"))
    for report in (tmp_path, tmp_path / "missing" / "report.html"):
        with pytest.raises(OSError, match="left unchanged|report does not exist"):
            handnn.train_file(path, "price", report=report)


def test_numbers_of_numpy_are_numbers(table):
    path = table(as_csv(flats(60)))
    given = {"networks": np.int8(2), "epochs": np.int8(3), "hidden": [np.int8(3)]}
    model = handnn.train_file(path, "price", **given, lr=np.float32(0.01), seed=np.int8(1))
    assert len(model.networks) == 2


REMEDIES = [
    (Remedy(Option.CATEGORIES, ("a",)), "categories=['a'] to treat every value", "--category a to"),
    (Remedy(Option.NO_STREAM), "stream=False", "--no-stream"),
    (Remedy(Option.TASK, "regression"), "task='regression'", "--task regression"),
    (Remedy(Option.USE, ("a", "b")), "use use=['a', 'b'] to learn from them", "--use a,b to"),
    (Remedy(Option.NO_DEFAULT_GAPS), "default_gaps=False", "--no-default-gaps"),
    (Remedy(Option.DECIMAL, ","), "decimal=','", "--decimal ,"),
    (Remedy(Option.DELIMITER, ";"), "delimiter=';'", "--delimiter ';'"),
    (Remedy(Option.DROP_GAPS), "drop_gaps=True", "--drop-gaps"),
    (Remedy(Option.ENCODING, "utf-16-le"), "encoding='utf-16-le'", "--encoding utf-16-le"),
    (Remedy(Option.GAPS, ("?",)), "gaps=['?']", "--gap '?'"),
    (Remedy(Option.HOLD_OUT), "increase hold_out", "increase --hold-out"),
    (Remedy(Option.NETWORKS, "3"), "use at most networks=3", "use at most --networks 3"),
    (Remedy(Option.IGNORE, ("a", "b")), "ignore=['a', 'b'] to leave them", "--ignore a,b to leave"),
    (Remedy(Option.IGNORE, ("a,b", "c")), "ignore=['a,b', 'c']", "--ignore a,b --ignore c"),
]


def test_every_option_has_a_remedy_here():
    assert {remedy.option for remedy, _, _ in REMEDIES} == set(Option)


@pytest.mark.parametrize(("remedy", "argument", "flag"), REMEDIES)
def test_python_words_remedies_as_arguments_and_the_command_as_flags(remedy, argument, flag):
    error = TableError("x.csv is odd", remedy, remedy)
    assert str(error).startswith("x.csv is odd; ") and str(error).count(argument) == 1
    assert error.worded(as_flag).count(flag) == 1
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.remedies) == (str(error), (remedy,))


def test_no_message_of_files_names_a_flag():
    from pathlib import Path

    folder = Path(handnn.__file__).parent / "files"
    for path in folder.rglob("*.py"):
        for line in path.read_text("utf-8").splitlines():
            assert " --" not in line and '"--' not in line, f"{path.name}: {line.strip()}"


def test_gaps_may_be_one_text(table):
    columns = flats()
    columns["area"][3] = "n.a."
    model = handnn.train_file(table(as_csv(columns)), "price", gaps="n.a.", epochs=1, hidden=[4])
    assert model.notes.gaps == ("n.a.",) and model.kinds["area"] == "number"


def test_errors_suggest_arguments(table):
    columns = flats()
    columns["price"][3] = None
    with pytest.raises(TableError, match=r"no value in 1 row.*; use drop_gaps=True"):
        handnn.train_file(table(as_csv(columns)), "price", strict=True)


def test_a_loaded_model_has_no_report(table, tmp_path):
    from handnn.files.report.report_page import report_page

    handnn.train_file(table(as_csv(flats())), "price", epochs=1, hidden=[4]).save(tmp_path / "m")
    with pytest.raises(ValueError, match="must come from train_file"):
        report_page(FileModel.load(tmp_path / "m"), "")


def test_the_model_file_is_that_of_a_table_model(table, tmp_path):
    columns = flats()
    model = handnn.train_file(table(as_csv(columns)), "price", epochs=1, hidden=[4])
    model.save(tmp_path / "m")
    frame = pl.DataFrame(columns).drop("price")
    loaded = handnn.TableModel.load(tmp_path / "m")
    np.testing.assert_array_equal(loaded.predict(frame), model.predict(frame))
