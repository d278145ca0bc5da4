"""Every case of docs/cells.md through every Python interface."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from handnn import Columns, Target
from handnn.tables.cells import category_text
from handnn.tables.target_values import TargetValues
from tests.cells.cases import CASES, PAGE, cases_of
from tests.cells.doors import DOORS
from tests.cells.telling import expected, model_of, texts_of

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the tests stand without the page")

every_door = pytest.mark.parametrize("door", DOORS, ids=str)
COLUMN_KINDS = ("number", "category", "date")
TARGET_KINDS = ("label", "target")


def answer(call):
    """Return the result of a call, None for a ValueError."""
    try:
        return call()
    except ValueError:
        return None


def failures(door, kind, meaning_of, expected_of):
    """Return the cases with another result than expected."""
    found = []
    for case in cases_of(kind):
        if door.holds(case.cell):
            seen, wanted = answer(lambda c=case: meaning_of(c.cell)), expected_of(case)
            if seen != wanted:
                found.append(f"{case}: {seen!r} instead of {wanted!r}")
    return found


def test_the_page_has_enough_cases():
    assert len(CASES) >= 300
    assert len({(case.written, case.kind) for case in CASES}) == len(CASES)


def test_every_case_has_doors_and_every_door_has_cases():
    for case in CASES:
        assert sum(door.holds(case.cell) for door in DOORS) >= 7, case
    for door in DOORS:
        assert sum(door.holds(case.cell) for case in CASES) >= 3, door


@every_door
@pytest.mark.parametrize("kind", COLUMN_KINDS)
def test_predict(door, kind):
    model = model_of(kind)
    assert failures(door, kind, lambda c: model.predict(door.table([c]))[0], expected) == []


@every_door
@pytest.mark.parametrize("kind", COLUMN_KINDS)
def test_predict_of_two_rows(door, kind):
    """Tables of one row are read cell by cell, others column by column."""
    model = model_of(kind)

    def meaning(cell):
        first, second = model.predict(door.table([cell, cell]))
        assert first == second
        return first

    assert failures(door, kind, meaning, expected) == []


ONE_ROW = {
    "a dict": lambda cell: {"a": cell},
    "a dict with more": lambda cell: {"more": 0.5, "a": cell},
    "pandas beside floats": lambda cell: pd.DataFrame({"a": [cell], "b": [0.5]}),
    "pandas beside text": lambda cell: pd.DataFrame({"a": [cell], "b": ["x"]}),
    "polars beside floats": lambda cell: pl.DataFrame({"a": [cell], "b": [0.5]}, strict=False),
}


@pytest.mark.parametrize("make", ONE_ROW.values(), ids=ONE_ROW)
@pytest.mark.parametrize("kind", COLUMN_KINDS)
def test_predict_of_one_row(make, kind):
    model = model_of(kind)
    for case in cases_of(kind):
        try:
            table = make(case.cell)
        except (OverflowError, TypeError):
            continue  # polars has no such type
        assert answer(lambda t=table: model.predict(t)[0]) == expected(case), str(case)


@every_door
@pytest.mark.parametrize("kind", COLUMN_KINDS)
def test_predict_of_a_column_with_a_gap(door, kind):
    """A gap in another row changes the type that pandas and NumPy give a column."""
    if not door.holds(None) or door.name == "pandas as inferred":
        return  # pandas converts integers with a gap to float64, which rounds long ones
    model = model_of(kind)
    assert failures(door, kind, lambda c: model.predict(door.table([None, c]))[1], expected) == []


@every_door
@pytest.mark.parametrize("kind", COLUMN_KINDS)
def test_learn_columns(door, kind):
    def learned(cell):
        table = door.table([cell, cell])
        named = Columns.learn(table, kinds={"a": kind}) if has_names(table) else (
            Columns.learn(table, kinds={0: kind})
        )  # fmt: skip
        column = named.columns[0]
        if kind == "category":
            assert column.counts == (2,)
            return category_text(column.labels[0])
        return column.median if kind == "number" else column.trend.median

    def wanted(case):  # a column that has only gaps cannot be learned from
        return None if case.is_error or case.is_gap else case.meaning

    assert failures(door, kind, learned, wanted) == []


def has_names(table):
    return isinstance(table, dict) or hasattr(table, "columns") or (
        isinstance(table, list) and isinstance(table[0], dict)
    ) or bool(getattr(table, "dtype", None) is not None and table.dtype.names)  # fmt: skip


def targets(door, cells):
    table = door.table(cells)
    return table["a"] if isinstance(table, dict) else table


@every_door
@pytest.mark.parametrize("kind", TARGET_KINDS)
def test_encode_targets(door, kind):
    if "rows that are dicts" in door.name or "structured" in door.name:
        return  # targets are not rows
    classes = np.array(texts_of("label"))
    target = Target("multiclass", classes=classes) if kind == "label" else (
        Target("regression", mean=[0.0], scale=[1.0])
    )  # fmt: skip

    def wanted(case):
        if case.is_error:
            return None
        return float(classes.tolist().index(case.meaning)) if kind == "label" else case.meaning

    assert failures(door, kind, lambda c: target.encode(targets(door, [c]))[0, 0], wanted) == []


@every_door
def test_learn_labels(door):
    if "rows that are dicts" in door.name or "structured" in door.name:
        return  # targets are not rows

    def learned(cell):
        classes = TargetValues(targets(door, [cell, cell]), "test").classes()
        assert len(classes) == 1
        return category_text(classes[0])

    def wanted(case):
        return None if case.is_error else case.meaning

    assert failures(door, "label", learned, wanted) == []
