"""Columns: learning and transforming tables, with results worked out by hand."""

from __future__ import annotations

import datetime
import json
import math
import time
from statistics import NormalDist

import numpy as np
import pytest

from handnn import Columns, FormatError


def test_scales_numbers_and_fills_and_marks_gaps(table):
    columns = Columns.learn({"age": table["age"], "rooms": table["rooms"]})
    age, rooms = columns.columns
    assert (age.median, age.mean, age.has_gaps) == (2.5, 3, False)
    assert age.scale == math.sqrt((4 + 1 + 0 + 9) / 4)
    assert (rooms.median, rooms.mean, rooms.has_gaps) == (2, 2.5, True)
    assert rooms.scale == math.sqrt((2.25 + 3 * 0.25) / 4)
    x = columns.transform({"age": table["age"], "rooms": table["rooms"]}, "float64")
    root = math.sqrt(3.5)
    expected = [
        [-2 / root, 1.5 / rooms.scale, 0],
        [-1 / root, -0.5 / rooms.scale, 1],
        [0, -0.5 / rooms.scale, 0],
        [3 / root, -0.5 / rooms.scale, 0],
    ]
    np.testing.assert_allclose(x, expected, rtol=1e-15, atol=0)
    assert columns.names_out == ["age", "rooms", "rooms missing"]


def test_codes_follow_numbers(table):
    columns = Columns.learn(table)
    assert columns.names_out == ["age", "rooms", "rooms missing", "town", "garden"]
    x = columns.transform(table)
    assert x.dtype == np.float32 and x.shape == (4, columns.n_in) == (4, 5)
    # Bonn 0, Ulm 1, missing 2, unseen 3; False 0, True 1
    assert x[:, 3:].tolist() == [[1, 1], [0, 0], [2, 1], [1, 1]]
    town, garden = columns.columns[2:]
    assert (town.labels, town.counts, town.has_gaps) == (("Bonn", "Ulm"), (1, 2), True)
    assert (garden.labels, garden.counts, garden.has_gaps) == ((False, True), (1, 3), False)


def test_one_hot_columns(table):
    columns = Columns.learn(table, categories="one-hot")
    assert columns.names_out[3:] == [
        "town=Bonn", "town=Ulm", "town missing", "garden=False", "garden=True",
    ]  # fmt: skip
    assert columns.n_in == columns.n_after == 8 and columns.first_layers() == []
    expected = [[0, 1, 0, 0, 1], [1, 0, 0, 1, 0], [0, 0, 1, 0, 1], [0, 1, 0, 0, 1]]
    assert columns.transform(table)[:, 3:].tolist() == expected


def test_unseen_labels_and_unexpected_gaps(table):
    new = {
        "age": [None, 3.0],
        "rooms": [3, 4],
        "town": ["Kiel", None],
        "garden": [None, False],
    }
    codes = Columns.learn(table).transform(new, "float64")
    assert codes[:, 3:].tolist() == [[3, 2], [2, 0]]
    assert codes[0, 0] == (2.5 - 3) / math.sqrt(3.5) and codes[:, 2].tolist() == [0, 0]
    one_hot = Columns.learn(table, categories="one-hot").transform(new)
    assert one_hot[:, 3:].tolist() == [[0, 0, 0, 0, 0], [0, 0, 1, 1, 0]]


def test_transform_learns_nothing(table):
    columns = Columns.learn(table)
    before = columns.to_dict()
    columns.transform({"age": [1e6], "rooms": [None], "town": ["Kiel"], "garden": [False]})
    assert columns.to_dict() == before


def test_a_constant_column_has_scale_1():
    for value in (7.0, 0.1, 1e300, -1e-320):
        columns = Columns.learn({"a": np.full(9, value)})
        assert (columns.columns[0].mean, columns.columns[0].scale) == (value, 1)
        assert columns.transform({"a": np.full(3, value)}).tolist() == [[0], [0], [0]]


def test_scale_false_only_fills_gaps(table):
    columns = Columns.learn({"rooms": table["rooms"]}, scale=False)
    assert columns.transform({"rooms": [None, 5]}).tolist() == [[2, 1], [5, 0]]


def test_quantiles_map_towards_a_normal_distribution():
    """Levels weight normal quantiles by 1 and values by 0.3; outliers get the largest level."""
    values = np.arange(1001.0) ** 3
    columns = Columns.learn({"a": values}, scale="quantile")
    x = columns.transform({"a": values}, "float64")[:, 0]
    assert abs(x.mean()) < 1e-12 and abs(x.std() - 1) < 1e-12
    assert (np.diff(x) > 0).all()
    share = (np.arange(1001) + 0.5) / 1001
    inner = (share > 0.05) & (share < 0.95)
    normal = np.array([NormalDist().inv_cdf(part) for part in share])
    expected = normal + 0.3 * (values - values.mean()) / values.std()
    expected = (expected - expected.mean()) / expected.std()
    np.testing.assert_allclose(x[inner], expected[inner], atol=0.03)
    ends = columns.transform({"a": [-1e9, 1e12, 0, 1e9]}, "float64")[:, 0]
    assert ends[0] == ends[2] == x[0] and ends[1] == ends[3] == x[-1]


@pytest.mark.parametrize("values", [[3.0] * 5, [0.0, 0, 0, 1], [1.0, None, 2, 2, 2]])
def test_quantile_scaling_of_few_values(values):
    columns = Columns.learn({"a": values}, scale="quantile")
    x = columns.transform({"a": values}, "float64")[:, 0]
    assert abs(x.mean()) < 1e-12
    there = [value for value in values if value is not None]
    expected = 0 if min(there) == max(there) else 1
    assert abs(x.std() - expected) < 1e-12


def test_matches_columns_by_name(table):
    columns = Columns.learn(table)
    turned = dict(reversed(table.items()))
    assert columns.feature_names_in == ("age", "rooms", "town", "garden")
    assert np.array_equal(columns.transform(turned), columns.transform(table))


def test_matches_columns_by_position_without_names(table):
    rows = [list(row) for row in zip(*table.values(), strict=True)]
    columns = Columns.learn(rows)
    assert columns.feature_names_in is None
    assert np.array_equal(columns.transform(rows), Columns.learn(table).transform(table))
    assert np.array_equal(columns.transform(np.array(rows, object)), columns.transform(rows))
    with pytest.raises(ValueError, match="must have 4 columns, but has 3"):
        columns.transform([row[:3] for row in rows])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_array_of_numbers(dtype):
    x = np.random.default_rng(0).normal(3, 2, (50, 4))
    columns = Columns.learn(x)
    expected = ((x - x.mean(axis=0)) / x.std(axis=0)).astype(dtype)
    np.testing.assert_allclose(columns.transform(x, dtype), expected, rtol=1e-6, atol=1e-6)
    assert columns.transform(x, dtype).dtype == dtype
    assert columns.transform(x[:0], dtype).shape == (0, 4)
    assert np.array_equal(columns.transform(x[::-1]), columns.transform(x)[::-1])


def test_does_not_modify_its_input(table):
    before = {name: values.copy() for name, values in table.items()}
    Columns.learn(table, scale="quantile").transform(table)
    for name, values in table.items():
        same = [a == b or a != a for a, b in zip(values, before[name], strict=True)]
        assert all(same) and values.dtype == before[name].dtype


MISSING = [("town", "has no column 'town'"), ("age", "has no column 'age'")]


@pytest.mark.parametrize(("name", "message"), MISSING)
def test_names_a_missing_column(table, name, message):
    columns = Columns.learn(table)
    del table[name]
    with pytest.raises(ValueError, match=message):
        columns.transform(table)


def test_names_additional_and_renamed_columns(table):
    columns = Columns.learn(table)
    with pytest.raises(ValueError, match="has 'extra', absent from training"):
        columns.transform({**table, "extra": [1, 2, 3, 4]})
    table["Age"] = table.pop("age")
    with pytest.raises(ValueError, match="no column 'age', but has 'Age', absent"):
        columns.transform(table)


BAD = {
    "text among numbers": ("age", [1.0, "old", 3, 4], "column 'age', row 1: 'old'"),
    "text for numbers": ("age", np.array(["1", "2", "3", "4 m"]), "column 'age', row 3: '4 m'"),
    "a percentage": ("age", [1, 2, "3%", 4], "column 'age', row 2: '3%' .*write 15 or 0.15"),
    "a date among numbers": ("age", [1, datetime.date(2024, 5, 1), 2, 3], "row 1: 2024-05-01 is a"),
    "an infinity": ("age", [1.0, 2, -np.inf, 4], "column 'age', row 2: -inf"),
    "a huge number": ("age", [1.0, 2, 3, 1e200], "column 'age', row 3: 1e[+]200.*float32"),
    "a huge int": ("age", [1, 2, 3, 10**400], "column 'age', row 3: 1000.*too large"),
    "a list": ("town", ["Ulm", ["Ulm"], "Ulm", "Ulm"], "column 'town', row 1: .*list"),
    "bytes": ("town", [b"Ulm", "Ulm", "Ulm", "Ulm"], "column 'town', row 0: .*bytes"),
    "complex": ("age", np.ones(4) * 1j, "column 'age' holds complex128"),
    "dates": ("age", np.zeros(4, "M8[D]"), "column 'age', row 0: 1970-01-01 is a date"),
    "durations": ("age", np.zeros(4, "m8[D]"), "column 'age' holds timedelta64.*number of days"),
    "a matrix": ("age", np.ones((4, 2)), "column 'age' must have shape"),
    "too few rows": ("garden", [True], "column 'age' has 4 rows but column 'garden' has 1"),
}


def test_other_values_in_a_column_of_categories_are_unseen_labels(table):
    columns = Columns.learn(table)
    for column, values, codes in (
        ("town", ["Ulm", "Ulm", 5, "Ulm"], [1, 1, 3, 1]),
        ("town", np.arange(4), [3, 3, 3, 3]),
        ("garden", [True, "maybe", True, True], [1, 3, 1, 1]),
    ):
        x = columns.transform({**table, column: values})
        assert x[:, columns.names_out.index(column)].tolist() == codes


def test_texts_and_numbers_are_categories_in_every_table():
    for values in (["x", 5, "y", "5.0", "z"], np.array(["x", "5", "y", " 5.0 ", "z"])):
        column = Columns.learn({"a": values}).columns[0]
        assert (column.labels, column.counts) == (("5", "x", "y", "z"), (2, 1, 1, 1))


@pytest.mark.parametrize("name", BAD)
def test_names_column_row_and_value_of_a_bad_cell(table, name):
    column, values, message = BAD[name]
    columns = Columns.learn(table)
    with pytest.raises(ValueError, match=f"^Columns.transform: .*{message}"):
        columns.transform({**table, column: values})


BAD_TO_LEARN = {
    "nothing": ([None, np.nan, None], "has no value in any row"),
    "an infinity": ([1.0, np.inf, 2], "row 1: inf is not finite"),
    "beyond float64": ([1e308, -1e308, 1e308], "too large to be scaled"),
    "one text": ([1, 2, "x"], "row 2: 'x' is text where other rows have numbers"),
    "one date among numbers": ([1, 2, datetime.date(2024, 5, 1)], "row 2: 2024-05-01 is a bool or"),
    "one text among dates": (["2024-05-01", "soon", "2024-05-02"], "row 1: 'soon' is not a date"),
    "percentages": (["15%", "3 %", "7%"], "holds percentages, such as '15%'"),
    "decimal commas": (["1,5", "3,25", None], "holds numbers with a decimal comma, such as '1,5'"),
    "an identifier": ([f"id{n}" for n in range(21)], "different value in each of its 21 rows"),
    "durations": (np.zeros(3, "m8[s]"), "holds timedelta64"),
    "no rows": ([], "no rows"),
}


@pytest.mark.parametrize("name", BAD_TO_LEARN)
def test_rejects_unlearnable_columns(name):
    values, message = BAD_TO_LEARN[name]
    with pytest.raises(ValueError, match=f"^Columns.learn: .*{message}"):
        Columns.learn({"a": values})


@pytest.mark.parametrize("table", [5, None, "abc", object()])
def test_rejects_non_tables(table):
    with pytest.raises(TypeError, match=r"^Columns\.learn: "):
        Columns.learn(table)


@pytest.mark.parametrize("table", [{}, np.ones(3), np.ones((2, 2, 2)), [[1, 2], [3]], [1, 2], []])
def test_rejects_tables_of_another_shape(table):
    with pytest.raises(ValueError, match=r"^Columns\.learn: "):
        Columns.learn(table)


def test_rejects_invalid_arguments(table):
    with pytest.raises(ValueError, match="categories must be one of embedding, one-hot"):
        Columns.learn(table, categories="hash")
    with pytest.raises(ValueError, match="scale must be"):
        Columns.learn(table, scale="rank")
    with pytest.raises(ValueError, match="kinds has 'zip', but the table has no such column"):
        Columns.learn(table, kinds={"zip": "category"})
    with pytest.raises(ValueError, match="kinds.*'age'.* must be one of number, date, category"):
        Columns.learn(table, kinds={"age": "text"})
    with pytest.raises(TypeError, match="dtype must be float32 or float64"):
        Columns.learn(table).transform(table, "float16")


def test_rejects_too_many_one_hot_columns():
    many = {"a": np.arange(2002) // 2}
    kinds = {"a": "category"}
    assert Columns.learn(many, kinds=kinds).n_in == 1
    with pytest.raises(ValueError, match="column 'a' has 1001 categories"):
        Columns.learn(many, kinds=kinds, categories="one-hot")


@pytest.mark.parametrize("scale", [True, False, "quantile"])
@pytest.mark.parametrize("categories", ["embedding", "one-hot"])
def test_json_round_trip(table, categories, scale):
    table["zip"] = [89073, 53111, None, 2.5]
    columns = Columns.learn(table, categories=categories, scale=scale, kinds={"zip": "category"})
    again = Columns.from_dict(json.loads(json.dumps(columns.to_dict())))
    assert again.to_dict() == columns.to_dict() and again.columns == columns.columns
    assert np.array_equal(again.transform(table), columns.transform(table))
    assert again.summary() == columns.summary()


def broken(change):
    columns = Columns.learn({"a": [1, 2, None], "b": ["x", "y", "x"]}, scale="quantile")
    entry = columns.to_dict()
    number, category = entry["columns"]
    changed = change(entry, number, category)
    return entry if changed is None else changed


BROKEN = {
    "nothing": lambda e, n, c: {},
    "a list": lambda e, n, c: [e],
    "no columns": lambda e, n, c: e.update(columns=[]),
    "a name too few": lambda e, n, c: e["names"].pop() and None,
    "two of one name": lambda e, n, c: e.update(names=["a", "a"]),
    "names of numbers": lambda e, n, c: e.update(names=[1, 2]),
    "unknown categories": lambda e, n, c: e.update(categories="hash"),
    "unknown kind": lambda e, n, c: n.update(kind="dates"),
    "a number for a date": lambda e, n, c: n.update(kind="date"),
    "gaps of numbers": lambda e, n, c: e.update(gaps=[1]),
    "kind of a list": lambda e, n, c: n.update(kind=["number"]),
    "a number for the other": lambda e, n, c: n.update(kind="category"),
    "no scale": lambda e, n, c: n.pop("scale") and None,
    "scale 0": lambda e, n, c: n.update(scale=0),
    "scale below 0": lambda e, n, c: n.update(scale=-1.0),
    "scale NaN": lambda e, n, c: n.update(scale=math.nan),
    "a mean of text": lambda e, n, c: n.update(mean="1"),
    "an infinite median": lambda e, n, c: n.update(median=math.inf),
    "a huge median": lambda e, n, c: n.update(median=10**400),
    "gaps of 1": lambda e, n, c: n.update(has_gaps=1),
    "an extra word": lambda e, n, c: n.update(more=1),
    "knots without levels": lambda e, n, c: n.update(levels=[]),
    "knots that fall": lambda e, n, c: n.update(knots=n["knots"][::-1]),
    "a level of null": lambda e, n, c: n.update(levels=[None] * len(n["knots"])),
    "no labels": lambda e, n, c: c.update(labels=[], counts=[]),
    "labels unsorted": lambda e, n, c: c.update(labels=["y", "x"]),
    "a label twice": lambda e, n, c: c.update(labels=["x", "x"]),
    "labels mixed": lambda e, n, c: c.update(labels=["x", 1]),
    "labels of lists": lambda e, n, c: c.update(labels=[[1], [2]]),
    "labels of NaN": lambda e, n, c: c.update(labels=[1.0, math.nan]),
    "a count too few": lambda e, n, c: c.update(counts=[3]),
    "a count of 0": lambda e, n, c: c.update(counts=[3, 0]),
    "a count of text": lambda e, n, c: c.update(counts=[3, "1"]),
    "counts beyond reason": lambda e, n, c: c.update(counts=[1, 10**400]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_rejects_invalid_descriptions(name):
    with pytest.raises(FormatError, match=r"^Columns\.from_dict: "):
        Columns.from_dict(broken(BROKEN[name]))


def test_unbroken_description_is_valid():
    assert Columns.from_dict(broken(lambda *entries: None)).n_in == 3


def test_summary_names_every_column(table):
    lines = Columns.learn(table).summary().splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["age", "rooms", "town", "garden"]
    assert "with gaps" in lines[1] and "Ulm (2), Bonn (1)" in lines[2]
    assert repr(Columns.learn(table)).startswith("Columns(2 of numbers, 2 of categories")


ROWS = 10**6


def big(kind):
    rng = np.random.default_rng(0)
    if kind == "numbers":
        return {f"c{n}": rng.normal(size=ROWS) for n in range(10)}
    if kind == "array":
        return rng.normal(size=(ROWS, 10))
    codes = rng.integers(0, 50, ROWS)
    return {"a": codes if kind == "ints" else np.array(list(map(str, range(50))), object)[codes]}


@pytest.mark.parametrize("kind", ["numbers", "array", "ints", "text"])
def test_transforms_a_million_rows_within_a_second(kind):
    """CPU time, the best of three runs, because other work on the machine only increases it."""
    table = big(kind)
    kinds = {"a": "category"} if kind == "ints" else None
    head = {k: v[:999] for k, v in table.items()} if isinstance(table, dict) else table[:999]
    columns = Columns.learn(head, kinds=kinds)
    seconds = math.inf
    for _ in range(3):
        start = time.process_time()
        columns.transform(table)
        seconds = min(seconds, time.process_time() - start)
    assert seconds < 1


def test_rejects_cycles_that_are_not_finite():
    days = [f"202{n % 4}-{1 + n % 12:02}-{1 + n % 28:02}" for n in range(80)]
    entry = Columns.learn({"a": np.arange(80.0), "day": days}).to_dict()
    entry["columns"][1]["periods"] = [1.803e-321]
    with pytest.raises(FormatError, match="periods must be 1e-06 days or more"):
        Columns.from_dict(entry)


def test_names_the_column_of_an_input_that_is_not_finite():
    """Inputs after those of the numbers are indicators and cycles."""
    days = [f"202{n % 4}-{1 + n % 12:02}-{1 + n % 28:02}" for n in range(80)]
    columns = Columns.learn({"a": np.arange(80.0), "day": days})
    (_, day) = columns._values[1]
    object.__setattr__(day, "periods", (math.nan,) * len(day.periods))
    table = {"a": [1.0, 2.0], "day": ["2024-05-01"] * 2}
    with pytest.raises(ValueError, match="column 'day', row 0: '2024-05-01' is too large"):
        columns.transform(table)
