"""One row has the bits of the same row among others, whatever table it comes in."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest

from handnn import ELU, Affine, Columns, Network, TableModel, Target, mlp
from handnn.tables.bins import bins, bins_of_one
from handnn.tables.quantiles import Curve

RNG = np.random.default_rng(0)
N = 60
TABLE = {
    "size": RNG.lognormal(3, 2, N).tolist(),
    "rooms": [None if n % 7 == 0 else n % 5 for n in range(N)],
    "share": [float("nan") if n % 9 == 0 else n / 7 for n in range(N)],
    "is_new": [bool(n % 2) for n in range(N)],
    "town": [["Ulm", "Bonn", " Köln", None, "NA", "01"][n % 6] for n in range(N)],
    "code": [n % 4 for n in range(N)],
    "day": [dt.date(2024, 1, 1) + dt.timedelta(5 * n) for n in range(N)],
}
KINDS = {"code": "category"}
ROWS = [dict(zip(TABLE, row, strict=True)) for row in zip(*TABLE.values(), strict=True)]
UNSEEN = [
    {**ROWS[3], "town": "Kiel", "size": "1e3", "rooms": " NA ", "share": np.float32(0.1)},
    {**ROWS[4], "town": 1, "size": 2**60, "code": "3", "is_new": "t", "day": "2024-05-01 12:00"},
    {**ROWS[5], "town": np.str_("Ulm"), "size": np.int8(3), "code": 3.0, "rooms": True},
    {**ROWS[6], "code": 2**70, "size": -1e300, "share": 1e308, "town": float("nan")},
    {**ROWS[7], "town": "", "size": "", "code": None, "day": None, "is_new": 7},
]
TABLES_OF_ONE = {
    "dict": lambda row: row,
    "dict in reverse": lambda row: dict(reversed(row.items())),
    "dict with more": lambda row: {"more": "x", **row},
    "rows that are dicts": lambda row: [row],
    "columns": lambda row: {name: [cell] for name, cell in row.items()},
    "columns that are tuples": lambda row: {name: (cell,) for name, cell in row.items()},
    "list": lambda row: [list(row.values())],
    "tuples": lambda row: (tuple(row.values()),),
    "objects": lambda row: np.array([[*row.values()]], object),
    "pandas": lambda row: pd.DataFrame({k: pd.Series([v], dtype=object) for k, v in row.items()}),
}


def learned(scale, n_bins, categories):
    return Columns.learn(TABLE, kinds=KINDS, scale=scale, n_bins=n_bins, categories=categories)


@pytest.mark.parametrize("scale", [True, False, "quantile"])
@pytest.mark.parametrize("n_bins", [0, 9])
@pytest.mark.parametrize("categories", ["embedding", "one-hot"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_row_has_the_bits_of_many(scale, n_bins, categories, dtype):
    columns = learned(scale, n_bins, categories)
    rows = ROWS + UNSEEN
    if scale != "quantile" and dtype == "float32":
        rows = [row for row in rows if row is not UNSEEN[3]]  # too large for float32
    many = columns.transform(rows, dtype, ignores_others=True)
    for name, table in TABLES_OF_ONE.items():
        for row, expected in [*list(zip(rows, many, strict=True))[::3], (rows[-1], many[-1])]:
            found = columns.transform(table(row), dtype, ignores_others=True)
            assert found.dtype == dtype and found.shape == (1, columns.n_in)
            assert found[0].tobytes() == expected.tobytes(), (name, row)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frames_of_typed_columns(frame):
    columns = learned("quantile", 9, "embedding")
    many = frame({name: cells for name, cells in TABLE.items() if name != "town"} | {
        "town": ["Ulm", "Bonn", None] * (N // 3)
    })  # fmt: skip
    expected = columns.transform(many, "float64")
    for n in range(0, N, 5):
        assert (columns.transform(many[n : n + 1], "float64") == expected[n]).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda v, b: pd.DataFrame({"a": np.array([v], np.float32), "b": [b]}),
        lambda v, b: pl.DataFrame({"a": [v], "b": [b]}, schema_overrides={"a": pl.Float32}),
        lambda v, b: {"a": np.array([v], np.float32), "b": np.array([b])},
    ],
)
@pytest.mark.parametrize("beside", [1, 0.5, "x", True])
def test_a_category_of_float32_keeps_its_text(make, beside):
    columns = Columns.learn({"a": [0.1, 0.3]}, kinds={"a": "category"})
    for value, code in ((0.1, 0), (0.3, 1)):
        found = columns.transform(make(value, beside), ignores_others=True)
        assert found.tolist() == [[code]]


def test_an_array_of_float32_keeps_the_text_of_categories():
    columns = Columns.learn([[0.1, 5.0], [0.3, 7.0]], kinds={0: "category"})
    many = np.array([[0.1, 5.0], [0.3, 7.0]], np.float32)
    assert columns.transform(many[1:]).tolist() == columns.transform(many)[1:].tolist()


def test_long_integers_of_a_frame_keep_their_digits():
    labels = [2**53, 2**53 + 1]
    columns = Columns.learn({"a": labels}, kinds={"a": "category"})
    frame = pd.DataFrame({"a": labels[1:], "b": [0.5]})
    assert columns.transform(frame, ignores_others=True).tolist() == [[1]]


def test_long_integers_of_pyarrow_beside_floats():
    pa = pytest.importorskip("pyarrow")
    labels = [2**53 + 1, 2**53 + 3]
    columns = Columns.learn({"a": labels}, kinds={"a": "category"})
    types = {"a": pd.ArrowDtype(pa.int64()), "b": pd.ArrowDtype(pa.float64())}
    frame = pd.DataFrame({"a": labels[1:], "b": [0.5]}).astype(types)
    assert columns.transform(frame, ignores_others=True).tolist() == [[1]]


@pytest.mark.parametrize("cells", [[True, True], np.array([True, True]), pd.Series([1, 1])])
def test_a_label_takes_precedence_over_a_number_that_is_a_gap(cells):
    columns = Columns.learn({"a": ["t", "f"]}, gaps=["1"])
    assert columns.columns[0].labels == ("f", "t")
    assert columns.transform({"a": cells}).tolist() == [[1], [1]]
    assert columns.transform({"a": cells[:1]}).tolist() == [[1]]


@pytest.mark.parametrize(
    "row",
    [
        {"town": "Ulm"},
        {"size": "soon", "town": "Ulm"},
        {"size": float("inf"), "town": "Ulm"},
        {"size": 1, "town": b"Ulm"},
        {"size": 1, "town": [1]},
        {"size": [1], "town": "Ulm"},
        {"size": 10**400, "town": "Ulm"},
        {"size": 1, "town": "Ulm", 3: 4},
        {"size": 1, "town": "Ulm", "more": 1},
        {"size": 1, "town": 1j},
        {},
    ],
)
def test_errors_are_those_of_columns(row):
    columns = Columns.learn({"size": [1, 2], "town": ["Ulm", "Bonn"]})
    columns.transform({"size": 1, "town": "Ulm"})
    messages = []
    for table in (row, {name: np.array([cell], object) for name, cell in row.items()}):
        with pytest.raises((TypeError, ValueError)) as info:
            columns.transform(table)
        messages.append(str(info.value))
    if not any(isinstance(cell, list) for cell in row.values()):
        assert messages[0] == messages[1]


def test_bins_of_one_number():
    edges = (0.0, 1.0, 1.5, 4.0)
    x = np.array([-1, 0, 0.5, 1, 1.2, 1.5, 3, 4, 5, np.nextafter(1, 2), np.nextafter(1, 0)])
    found = [bins_of_one(number, edges) for number in x.tolist()]
    assert np.array(found).tobytes() == bins(x, np.array(edges)).tobytes()


@pytest.mark.parametrize("n_knots", [1, 2, 3, 50])
@pytest.mark.parametrize("scale", [1.0, 1e-310, 1e308])
def test_curves(n_knots, scale):
    with np.errstate(over="ignore"):
        knots = np.unique(np.clip(RNG.normal(size=n_knots) * scale, -1e308, 1e308))
    levels = np.sort(RNG.normal(size=len(knots)))
    x = np.concatenate([knots, np.nextafter(knots, np.inf), [0, 1e308, -1e308], RNG.normal(size=9)])
    curve = Curve(knots.tolist(), levels.tolist())
    assert np.array_equal(curve(x), [curve.of_one(number) for number in x.tolist()])
    assert np.allclose(curve(x), np.interp(x, knots, levels), rtol=1e-15, atol=0)


TARGETS = {
    "regression": [0.5, 1.5, 7.0],
    "binary": ["no", "yes", "no"],
    "multiclass": ["a", "b", "c"],
    "multilabel": [[True, False], [False, True], [True, True]],
}


def bag(task, n_networks, dtype="float32"):
    columns = learned("quantile", 9, "one-hot")
    target = Target.learn(TARGETS[task], task)
    sizes = [columns.n_in, 16, target.n_out]
    networks = [mlp(sizes, rng=seed, dtype=dtype) for seed in range(n_networks)]
    return TableModel(networks, columns, target)


@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize("n_networks", [1, 3, 17])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_prediction_has_the_bits_of_many(task, n_networks, dtype):
    model = bag(task, n_networks, dtype)
    calls = [model.predict] + [model.predict_proba] * (task != "regression")
    calls += [model.spread] * (n_networks > 1)
    for call in calls:
        many = call(ROWS[:20])
        for row, expected in zip(ROWS[:20:3], many[::3], strict=True):
            found = call(row)[0]
            assert found.dtype == expected.dtype
            assert found.tolist() == expected.tolist()


def test_a_bag_predicts_as_its_networks_do():
    model = bag("regression", 5, "float64")
    x = model.columns.transform(ROWS, "float64")
    each = [model.target.decode(network.predict(x)) for network in model.networks]
    assert np.array_equal(model.predict(ROWS), sum(each[1:], each[0]) / 5)


def test_a_bag_follows_its_networks():
    model = bag("regression", 3)
    before = model.predict(ROWS[0])
    last = model.networks[1].layers[-1]
    last.b[:] += 1
    in_place = model.predict(ROWS[0])
    assert in_place != before
    last.b = last.b + np.float32(1)
    replaced = model.predict(ROWS[0])
    assert replaced != in_place
    model.networks[2].layers[1] = ELU(0.5)
    other = model.predict(ROWS[0])
    assert other != replaced
    model.networks[2].layers[1].alpha = 2.0
    assert model.predict(ROWS[0]) != other
    model.networks = model.networks[:1]
    assert model.predict(ROWS[0]) == bag("regression", 1).predict(ROWS[0])


class Doubling:
    """A brick of a user."""

    def forward(self, x):
        return 2 * x

    def backward(self, dout):
        return 2 * dout


def test_a_bag_with_bricks_of_a_user():
    columns = Columns.learn({"a": [1.0, 3.0]}, scale=False)
    target = Target("regression", mean=[0.0], scale=[1.0])
    ours, theirs = (Affine([[w]], [0.0]) for w in (1.0, 3.0))
    model = TableModel([Network([ours]), Network([theirs, Doubling()])], columns, target)
    assert model.predict({"a": 10}) == (10 + 60) / 2
    assert model.predict({"a": [10, 20]}).tolist() == [35, 70]
