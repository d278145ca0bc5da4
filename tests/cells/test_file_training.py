"""The cases of docs/cells.md in files that are learned from, and in the target of `evaluate`."""

from __future__ import annotations

import math
import re

import polars as pl
import pytest

from handnn import Affine, Columns, Network, TableModel, Target, train_file
from handnn.files.errors import TableError
from handnn.files.learning.settings import TrainingSettings
from handnn.files.learning.survey import survey, take_rows
from handnn.files.model import FileModel, ModelNotes
from handnn.files.predicting.predictions import TargetReader
from handnn.files.reading.cells import WITH_UNIT
from handnn.files.reading.dialect import Dialect
from handnn.files.reading.source import open_table
from handnn.tables import NumberColumn
from handnn.tables.cells import ADVICE, category_text, near_number
from tests.cells.cases import PAGE, cases_of
from tests.cells.telling import texts_of
from tests.cells.test_file_doors import CSV_DOORS, JSON_DOORS, PARQUET_DOORS

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the tests stand without the page")

TEXT_DOORS = {**CSV_DOORS, **JSON_DOORS}

DOORS = [
    "utf-8", "JSON lines", "windows-1252", "spaces around the cells", "polars String",
    "polars Int64", "polars UInt64", "polars Float64", "polars Boolean", "polars Decimal",
    "polars Date", "polars Datetime",
]  # fmt: skip
every_door = pytest.mark.parametrize("door", DOORS)

QUICK = {"epochs": 1, "networks": 1, "hidden": [1], "hold_out": 0.01}


def fine_cases(door, kind):
    """Return the cases of a kind, without errors, that a file of this door can hold."""
    holds = PARQUET_DOORS[door].holds if door in PARQUET_DOORS else TEXT_DOORS[door][1]
    return [case for case in cases_of(kind) if holds(case.cell) and not case.is_error]


def write(path, door, cells):
    """Write a column "b" of row numbers and the column "a"; return how to read the file."""
    if door in PARQUET_DOORS:
        columns = {"b": range(len(cells)), "a": PARQUET_DOORS[door].make(cells)}
        pl.DataFrame(columns).write_parquet(path)
        return {}
    TEXT_DOORS[door][0](path, cells)
    return {"delimiter": ",", "encoding": "windows-1252" if "1252" in door else None}


@every_door
@pytest.mark.parametrize("kind", ["category", "label"])
def test_train_labels(door, kind, tmp_path):
    cases = fine_cases(door, kind) * 10
    if len({case.meaning for case in cases if not case.is_gap}) < 2:
        return  # nothing to distinguish
    dialect = write(tmp_path / "t", door, [case.cell for case in cases])
    target, task = ("b", "regression") if kind == "category" else ("a", "multiclass")
    model = train_file(tmp_path / "t", target, task=task, categories="a", **QUICK, **dialect)
    labels = model.labels("a") if kind == "category" else model.target.classes.tolist()
    texts = [category_text(label) for label in labels]
    assert sorted(texts) == sorted({case.meaning for case in cases if not case.is_gap})


@every_door
@pytest.mark.parametrize("kind", ["number", "date"])
def test_train_values(door, kind, tmp_path):
    is_bool = {"True", "true", "TRUE", "t", "False", "false", "FALSE", "f"}.__contains__
    cases = [c for c in fine_cases(door, kind) if not is_bool(str(c.cell).strip())]
    if kind == "date":  # numbers are days only in a column declared as dates
        cases = [c for c in cases if c.is_gap or str(c.cell).strip()[4:5] == "-"]
    if all(case.is_gap for case in cases):
        return
    dialect = write(tmp_path / "t", door, [case.cell for case in cases])
    with open_table(tmp_path / "t", Dialect(**dialect)) as source:
        found = survey(source, TrainingSettings(("b",), task="regression"))
        assert found.kinds == {"a": kind}
        frame, _ = take_rows(found)
    column = Columns.learn(frame.select("a"), kinds={"a": kind}, scale=False)
    values = column.transform(frame.select("a"), "float64")[:, 0]
    (learned,) = column.columns
    median = learned.trend.median if kind == "date" else learned.median
    assert values.tolist() == [median if case.is_gap else case.meaning for case in cases]


@every_door
@pytest.mark.parametrize("kind", ["label", "target"])
def test_the_target_of_evaluate(door, kind, tmp_path):
    classes = texts_of("label")
    target = Target("multiclass", classes=classes) if kind == "label" else (
        Target("regression", mean=[0.0], scale=[1.0])
    )  # fmt: skip
    columns = Columns([NumberColumn(0.0, 0.0, 1.0, False)], ["b"])
    network = Network([Affine.random(1, target.n_out, rng=0)])
    notes = ModelNotes("a", "category" if kind == "label" else "number", ".", (), {})
    model = FileModel(TableModel(network, columns, target), notes)
    cases = fine_cases(door, kind)
    if not cases:
        return
    dialect = write(tmp_path / "t", door, [case.cell for case in cases])
    with open_table(tmp_path / "t", Dialect(**dialect)) as source:
        (block,) = source.blocks()
        found = TargetReader(model, source, model.notes.target).read(block).tolist()
    wanted = [float(classes.index(c.meaning)) if kind == "label" else c.meaning for c in cases]
    for case, value, meaning in zip(cases, found, wanted, strict=True):
        assert math.isclose(value, meaning, rel_tol=1e-15), case


NEAR = [case.cell for case in cases_of("category") if near_number(str(case.cell).strip())]


@pytest.mark.parametrize("share", [1.0, 0.4])
@pytest.mark.parametrize("door", ["utf-8", "polars String"])
def test_texts_that_only_people_read_as_numbers_are_refused(door, share, tmp_path):
    """All of them, or some among numbers; in files, numbers may have one unit."""
    assert len(NEAR) >= 20
    for text in NEAR:
        has_unit = re.search(WITH_UNIT, text) is not None
        cells = [text if row % 10 < 10 * share else f"{row}.5" for row in range(30)]
        words = ["yes" if row % 3 else "no" for row in range(30)]
        table = pl.DataFrame({"a": cells, "b": words})
        path = tmp_path / "t"
        table.write_csv(path) if door == "utf-8" else table.write_parquet(path)
        expected = "has the same value" if has_unit and share == 1 else "'a' has "
        with open_table(path) as source:
            for target in ("a", "b"):
                with pytest.raises(TableError, match=expected) as error:
                    survey(source, TrainingSettings((target,)))
                assert has_unit or ADVICE[near_number(text)] in str(error.value) or "," in text
