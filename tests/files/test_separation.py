"""Splits by groups and by time, of the held-out rows and of the folds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import handnn
from handnn.files import TableError
from handnn.files.learning import in_memory
from tests.files.tables import as_csv

pytest.importorskip("polars")

RNG = np.random.default_rng(0)
N = 240
GROUPS = RNG.integers(0, 30, N)
DAYS = RNG.permutation(N)
COLUMNS = {
    "size": RNG.normal(size=N).round(3).tolist(),
    "customer": [f"c{group}" for group in GROUPS],
    "day": [str(np.datetime64("2020-01-01") + np.timedelta64(day, "D")) for day in DAYS.tolist()],
    "week": (DAYS // 7).tolist(),
    "w": [1.0] * N,
    "y": RNG.normal(size=N).round(3).tolist(),
}
QUICK = {"epochs": 2, "hidden": [4]}


@pytest.fixture
def trained_rows(monkeypatch):
    """Record the rows that each network learns from."""
    noted = []

    def note(trainers, *data, rows, **arguments):
        noted.extend(rows)
        return handnn.train_many(trainers, *data, rows=rows, **arguments)

    monkeypatch.setattr(in_memory, "train_many", note)
    return noted


def places(model, rows_of_file=N):
    """Return the held-out rows and the training rows of the table."""
    held_out = np.asarray(model.training.held_out.places) - 2
    return held_out, np.setdiff1d(np.arange(rows_of_file), held_out)


def test_groups_are_on_one_side(table, trained_rows):
    model = handnn.train_file(table(as_csv(COLUMNS)), "y", split_by="customer", weight="w", **QUICK)
    held_out, train = places(model)
    assert set(model.kinds) == {"size", "day", "week"}
    assert len(held_out) == pytest.approx(0.2 * N, abs=8)
    assert not set(GROUPS[held_out]) & set(GROUPS[train])
    assert len(trained_rows) >= 16
    for rows in trained_rows:
        inside = GROUPS[train][rows]
        outside = np.delete(GROUPS[train], rows)
        assert len(outside) and not set(inside) & set(outside)
    assert model.notes.story["split"] == "groups of 'customer', drawn at random"


@pytest.mark.parametrize("settings", [{}, {"ignore": "day,week"}])
@pytest.mark.parametrize("name", ["day", "week"])
def test_the_latest_rows_score_the_model(table, trained_rows, settings, name):
    lines = []
    model = handnn.train_file(
        table(as_csv(COLUMNS)), "y", split_time=name, log=lines.append, **settings, **QUICK
    )
    held_out, train = places(model)
    times = DAYS if name == "day" else DAYS // 7
    assert times[held_out].min() > times[train].max()
    assert ("day" in model.kinds) == (not settings)
    for rows in trained_rows:
        assert times[train][rows].max() < np.delete(times[train], rows).max()
        assert (np.diff(np.sort(times[train][rows])) >= 0).all()
    assert f"held out, the latest by '{name}'; " in lines[0]


def test_the_report_and_json_describe_the_split(handnn_command, table, tmp_path):
    words = ["train", table(as_csv(COLUMNS)), "--target", "y", "--epochs", 1, "--hidden", 4]
    out = ["--out", tmp_path / "m", "--report", tmp_path / "r.html"]
    done = handnn_command(*words, *out, "--split-time", "day", "--json")
    assert done.code == 0 and '"split": "the latest by \'day\'"' in done.out
    page = Path(tmp_path / "r.html").read_text("utf-8")
    assert "other rows: the latest by &#x27;day&#x27;" in page
    assert "--split-time day" in page
    done = handnn_command(*words, *out, "--split-by", "customer")
    assert "held out, groups of &#x27;customer&#x27;" not in done.err
    assert "held out, groups of 'customer', drawn at random" in done.err


@pytest.mark.parametrize(
    ("columns", "settings", "text"),
    [
        ({}, {"split_by": "x"}, "has no column 'x'"),
        ({}, {"split_by": "y"}, "column 'y' cannot be one of groups"),
        ({}, {"split_time": "w", "weight": "w"}, "column 'w' cannot be one of times"),
        ({}, {"split_time": "customer"}, "'customer' must all be dates, or all numbers"),
        ({}, {"split_time": "w"}, "all rows have the same time 'w'"),
        ({"customer": ["a"] * N}, {"split_by": "customer"}, "of one group of 'customer'"),
        ({"week": ["", *range(N - 1)]}, {"split_time": "week"}, "'week' have no value in line 2"),
        ({}, {"split_time": "week", "stream": True}, "groups and times cannot be streamed"),
        ({}, {"quality": "best", "stream": True}, "quality and time cannot be streamed"),
        ({}, {"time": 1.0, "stream": True}, "quality and time cannot be streamed"),
    ],
)
def test_bad_columns_are_errors(table, columns, settings, text):
    with pytest.raises(TableError, match=text):
        handnn.train_file(table(as_csv({**COLUMNS, **columns})), "y", **settings, **QUICK)


def test_groups_and_times_exclude_each_other(table):
    with pytest.raises(ValueError, match="split_by and split_time exclude each other"):
        handnn.train_file(table(as_csv(COLUMNS)), "y", split_by="customer", split_time="day")
