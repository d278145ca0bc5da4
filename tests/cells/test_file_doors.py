"""Every case of docs/cells.md through files: CSV in several dialects, and Parquet of every type."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
from datetime import date

import polars as pl
import pytest

from handnn.cli import main
from handnn.files.model import FileModel, ModelNotes
from tests.cells.cases import PAGE, cases_of
from tests.cells.doors import DOORS
from tests.cells.spreadsheet import as_text
from tests.cells.telling import expected, model_of

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the tests stand without the page")

KINDS = ("number", "category", "date")


def rows_of(cells, **options):
    out = io.StringIO()
    writer = csv.writer(out, **{"lineterminator": "\n", "quoting": csv.QUOTE_ALL, **options})
    writer.writerows([["b", "a"], *([str(row), as_text(cell)] for row, cell in enumerate(cells))])
    return out.getvalue()


def encoded(encoding, **options):
    """Return a writer of CSV files, and whether a cell can be written."""

    def write(path, cells):
        path.write_bytes(rows_of(cells, **options).encode(encoding))

    def holds(cell):
        try:
            as_text(cell).encode(encoding)
        except UnicodeEncodeError:
            return False
        return cell != math.inf  # CSV has no typed infinity

    return write, holds


def spaced(path, cells):
    """Write cells without quotes and with spaces around them, as columns are aligned by hand."""
    lines = [("b", "a"), *((str(row), as_text(cell)) for row, cell in enumerate(cells))]
    text = "".join(f"{first}, \u00a0{cell}\u2007 \n" for first, cell in lines)
    path.write_text(text, "utf-8")


def has_no_quotes(cell):
    return cell != math.inf and not set(as_text(cell)) & set('",\n')


CSV_DOORS = {
    "utf-8": encoded("utf-8"),
    "utf-8 without needless quotes": encoded("utf-8", quoting=csv.QUOTE_MINIMAL),
    "utf-8 with a byte order mark": encoded("utf-8-sig"),
    "utf-16": encoded("utf-16"),
    "CRLF": encoded("utf-8", lineterminator="\r\n"),
    "semicolons": encoded("utf-8", delimiter=";"),
    "tabs": encoded("utf-8", delimiter="\t"),
    "windows-1252": encoded("windows-1252"),
    "spaces around the cells": (spaced, has_no_quotes),
}


def json_lines(path, cells):
    """Write numbers and booleans as such, other cells as strings."""
    lines = []
    for row, cell in enumerate(cells):
        value = cell if isinstance(cell, bool | int | str | None) else as_text(cell)
        value = cell if isinstance(cell, float) and math.isfinite(cell) else value
        lines.append(json.dumps({"b": row, "a": value}) + "\n")
    path.write_text("".join(lines), "ascii")


def is_no_infinity(cell):
    return cell != math.inf


def excel(path, cells):
    xlsxwriter = pytest.importorskip("xlsxwriter")
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["b", "a"])
        day = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        for row, cell in enumerate(cells, 1):
            sheet.write_number(row, 0, row)
            if isinstance(cell, str):
                sheet.write_string(row, 1, cell)
            elif isinstance(cell, date):
                sheet.write_datetime(row, 1, cell, day)
            elif cell is not None:
                sheet.write(row, 1, cell)


def small_number(cell):
    return type(cell) in (int, float) and abs(cell) < 2**53 and cell == cell


EXCEL_DOORS = {
    "Excel strings": (excel, lambda cell: isinstance(cell, str) and cell.strip(" ")),
    "Excel numbers": (excel, small_number),
    "Excel booleans": (excel, lambda cell: type(cell) is bool),
    "Excel dates": (excel, lambda cell: isinstance(cell, date) and str(cell)[-6:] != "+02:00"
                    and str(cell) > "1970"),
}  # fmt: skip
"""A sheet has no integers beyond 2^53, no time zones and no dates before 1900."""

JSON_DOORS = {"JSON lines": (json_lines, is_no_infinity)}

PARQUET_DOORS = {
    door.name: door for door in DOORS if door.name.startswith("polars") and not door.is_table
}


@pytest.fixture(scope="module", params=KINDS)
def saved(request, tmp_path_factory):
    """Return the path of a model, and the kind of its column."""
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    notes = ModelNotes("y", "number", ".", (), {})
    FileModel(model_of(request.param), notes).save(path)
    return path, request.param


def predictions(model, path, *options):
    """Return the predictions of a file, None after an error."""
    out = path.with_name("predictions.csv")
    with contextlib.redirect_stderr(io.StringIO()) as errors:
        code = main(["predict", str(model), str(path), "--out", str(out), *options])
    assert code in (0, 1), errors.getvalue()
    return pl.read_csv(out)["prediction"].to_list() if code == 0 else None


def failures(saved, path, write, cases, *options):
    """Return the cases with another result than the page specifies, as they are written there."""
    model, _ = saved
    fine = [case for case in cases if not case.is_error]
    found = set()
    write(path, [case.cell for case in fine])
    answers = predictions(model, path, *options)
    if answers is None:  # find the invalid cells
        answers = []
        for case in fine:
            write(path, [case.cell])
            answers += predictions(model, path, *options) or [None]
    for case, answer in zip(fine, answers, strict=True):
        if answer is None or not math.isclose(answer, expected(case), rel_tol=1e-14):
            found.add(case.written)
    for case in cases:
        if case.is_error:
            write(path, [case.cell])
            if predictions(model, path, *options) is not None:
                found.add(case.written)
    return found


@pytest.mark.parametrize("name", CSV_DOORS)
def test_csv(saved, name, tmp_path):
    write, holds = CSV_DOORS[name]
    cases = [case for case in cases_of(saved[1]) if holds(case.cell)]
    if name != "utf-8":  # one dialect rejects every cell that must be rejected
        fine = [case for case in cases if not case.is_error]
        cases = [*fine, *[case for case in cases if case.is_error][::20]]
    delimiter = {"semicolons": ";", "tabs": "\t"}.get(name, ",")
    options = ["--delimiter", delimiter]
    options += ["--encoding", "windows-1252"] if "1252" in name else []
    assert failures(saved, tmp_path / "t.csv", write, cases, *options) == set()


@pytest.mark.parametrize("name", [*JSON_DOORS, *EXCEL_DOORS])
def test_json_and_excel(saved, name, tmp_path):
    if name in EXCEL_DOORS:
        pytest.importorskip("fastexcel")
    write, holds = {**JSON_DOORS, **EXCEL_DOORS}[name]
    cases = [case for case in cases_of(saved[1]) if holds(case.cell)]
    assert failures(saved, tmp_path / "t.jsonl", write, cases) == set()


@pytest.mark.parametrize("name", PARQUET_DOORS)
def test_parquet(saved, name, tmp_path):
    door = PARQUET_DOORS[name]
    cases = [case for case in cases_of(saved[1]) if door.holds(case.cell)]

    def write(path, cells):
        frame = pl.DataFrame({"b": [0] * len(cells), "a": door.make(cells)})
        frame.write_parquet(path)

    assert failures(saved, tmp_path / "t.parquet", write, cases) == set()
