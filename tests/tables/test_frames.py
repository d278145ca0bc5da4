"""DataFrames of pandas and polars give the same results as dicts."""

from __future__ import annotations

import datetime

import numpy as np
import pytest

from handnn import Columns, Target

TABLE = {
    "age": [1.0, 2.5, None, 6.0],
    "count": [1, 2, 3, 4],
    "gappy": [1, None, 3, 4],
    "town": ["Ulm", None, "Bonn", "Ulm"],
    "garden": [True, False, True, True],
    "pool": [True, None, True, False],
}


def pandas_frame(module, table):
    frame = module.DataFrame(table)
    for name, dtype in {"gappy": "Int64", "pool": "boolean"}.items():
        if name in table:
            frame[name] = module.array(table[name], dtype=dtype)
    return frame


def polars_frame(module, table):
    return module.DataFrame(table)


FRAMES = {"pandas": pandas_frame, "polars": polars_frame}


@pytest.fixture(params=FRAMES)
def frame_of(request):
    module = pytest.importorskip(request.param)
    return lambda table: FRAMES[request.param](module, table)


@pytest.mark.parametrize("categories", ["embedding", "one-hot"])
def test_frames_equal_dicts(frame_of, categories):
    frame = frame_of(TABLE)
    columns = Columns.learn(frame, categories=categories)
    plain = Columns.learn(TABLE, categories=categories)
    assert columns.to_dict() == plain.to_dict()
    x = plain.transform(TABLE)
    for learned in (columns, plain):
        for table in (frame, TABLE, frame_of(dict(reversed(TABLE.items())))):
            assert np.array_equal(learned.transform(table), x)


def test_names_a_bad_cell_of_a_frame(frame_of):
    columns = Columns.learn(frame_of(TABLE))
    with pytest.raises(ValueError, match="column 'count', row 0: 'x' is not a number"):
        columns.transform(frame_of({**TABLE, "count": ["x", "1", "2", "3"]}))
    with pytest.raises(ValueError, match="has no column 'age', but has 'Age'"):
        columns.transform(frame_of({"Age" if k == "age" else k: v for k, v in TABLE.items()}))


def test_dates_of_frames(frame_of):
    days = [datetime.datetime(2024, 1, day) for day in (1, 5, 29)]
    columns = Columns.learn(frame_of({"day": days}))
    again = Columns.learn({"day": [str(day) for day in days]})
    assert columns.to_dict() == again.to_dict() and columns.columns[0].kind == "date"


def test_categories_of_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "a": pandas.Categorical(["x", None, "y"], categories=["z", "y", "x"]),
            "b": pandas.Categorical([3, 1, 3]),
            "c": pandas.array(["p", None, "q"], dtype="string"),
        },
        index=[5, 5, 7],
    )
    columns = Columns.learn(frame)
    assert [column.labels for column in columns.columns] == [("x", "y"), (1, 3), ("p", "q")]
    assert [column.has_gaps for column in columns.columns] == [True, False, True]
    assert columns.transform(frame).tolist() == [[0, 1, 0], [2, 0, 2], [1, 1, 1]]


def test_categories_of_polars():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(
        {
            "a": polars.Series(["x", None, "y"], dtype=polars.Categorical),
            "b": polars.Series(["v", "u", "v"], dtype=polars.Enum(["v", "u", "t"])),
        }
    )
    columns = Columns.learn(frame)
    assert [column.labels for column in columns.columns] == [("x", "y"), ("u", "v")]
    assert columns.transform(frame).tolist() == [[0, 1], [2, 0], [1, 1]]


def test_numbered_pandas_columns_have_no_names():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(np.arange(6.0).reshape(3, 2))
    assert Columns.learn(frame).feature_names_in is None


def test_rejects_duplicate_names():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([[1.0, 2.0]], columns=["a", "a"])
    with pytest.raises(ValueError, match="the table has two columns 'a'"):
        Columns.learn(frame)


def test_targets_from_a_frame(frame_of):
    frame = frame_of(TABLE)
    town = Target.learn(frame_of({"t": ["Ulm", "Bonn", "Ulm"]})["t"])
    assert (town.task, town.classes.tolist(), town.is_flat) == ("binary", ["Bonn", "Ulm"], True)
    assert Target.learn(frame["garden"]).classes.tolist() == [False, True]
    counts = Target.learn(frame["count"])
    assert (counts.task, counts.mean.tolist()) == ("regression", [2.5])
    two = Target.learn(frame[["count", "garden"]], "regression")
    assert two.n_out == 2 and not two.is_flat
    with pytest.raises(ValueError, match="y has no value in row 2"):
        Target.learn(frame["age"])
