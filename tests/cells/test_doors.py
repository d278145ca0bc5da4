"""Every interface of handnn that takes cells is covered by the suite."""

from __future__ import annotations

import importlib
import math
import pkgutil

import polars as pl
import pytest

import handnn.files.reading
import handnn.tables
from handnn.files.export import EXPORTERS
from handnn.tables import read_csv
from tests.cells.cases import PAGE, cases_of
from tests.cells.doors import DOORS
from tests.cells.telling import expected, model_of
from tests.cells.test_file_doors import CSV_DOORS, EXCEL_DOORS, JSON_DOORS, PARQUET_DOORS, encoded
from tests.cells.test_file_training import DOORS as TRAINED_DOORS

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the tests stand without the page")

READERS = {
    "CsvFile": CSV_DOORS,
    "ExcelFile": EXCEL_DOORS,
    "JsonLinesFile": JSON_DOORS,
    "ParquetFile": PARQUET_DOORS,
}
"""The classes that read a file block by block, and their doors."""

EXPORTS = {"c", "header", "onnx"}
"""The exported formats that test_exports.py walks through."""

REFUSED_TYPES = {
    "Array", "Binary", "Duration", "Field", "Float16", "List", "Map", "Null", "Object", "Struct",
    "Time", "Unknown",
}  # fmt: skip
"""Polars types that cannot hold the cells of the page."""

SAME_AS = {
    "Enum": "Categorical", "Float32": "Float64", "Int16": "Int8", "Int32": "Int8", "Utf8": "String",
    "UInt8": "Int8", "UInt16": "Int8", "UInt32": "Int8", "UInt128": "Int128",
}  # fmt: skip
"""Types that share the code path of another type."""


def test_every_reader_of_files_has_doors():
    found = set()
    for module in pkgutil.iter_modules(handnn.files.reading.__path__, "handnn.files.reading."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, type) and value.__module__ == module.name:
                found |= {name} if callable(getattr(value, "blocks", None)) else set()
    assert found - {"Source"} == set(READERS)


def test_files_are_learned_from_through_known_doors():
    assert set(TRAINED_DOORS) <= {*CSV_DOORS, *JSON_DOORS, *PARQUET_DOORS}


def test_every_export_has_a_door():
    assert set(EXPORTERS) == EXPORTS


def test_every_reader_of_tables_has_a_door():
    assert {name for name in handnn.tables.__all__ if name.startswith("read_")} == {"read_csv"}


def test_every_type_of_polars_has_a_door():
    known = {door.name.removeprefix("polars ") for door in DOORS}
    types = {
        name
        for name, value in vars(pl.datatypes).items()
        if isinstance(value, type)
        and issubclass(value, pl.DataType)
        and not value.__subclasses__()
        and not name.startswith(("Base", "Extension"))
    }
    assert {SAME_AS.get(name, name) for name in types - REFUSED_TYPES} - known == set()


@pytest.mark.parametrize("kind", ["number", "category", "date"])
def test_read_csv(kind, tmp_path):
    write, holds = encoded("utf-8")
    cases = [case for case in cases_of(kind) if holds(case.cell) and not case.is_error]
    write(tmp_path / "t.csv", [case.cell for case in cases])
    answers = model_of(kind).predict({"a": read_csv(tmp_path / "t.csv")["a"]})
    for case, answer in zip(cases, answers, strict=True):
        assert math.isclose(answer, expected(case), rel_tol=1e-15), case
