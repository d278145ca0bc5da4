"""Exports: a model of `handnn train` without Python, in ONNX or C."""

from __future__ import annotations

from typing import Any

from handnn.exchange.c.csv import table_program
from handnn.exchange.c.table import table_header
from handnn.exchange.onnx.table import table_to_onnx
from handnn.files.model import Notes
from handnn.tables import TableModel
from handnn.tables.cells import GAPS


def to_onnx(model: TableModel, notes: Notes) -> Any:
    """Return an `onnx.ModelProto`, which knows the words for a gap: see `table_to_onnx`."""
    return table_to_onnx(model, notes.target, {*GAPS, *notes.gaps})


def to_header(model: TableModel, notes: Notes, name: str = "model") -> str:
    """Return a header in C99 that names the target: see `table_header`."""
    return table_header(model, name, notes.target)


def to_program(model: TableModel, notes: Notes, name: str = "model") -> str:
    """Return a program in C99, which knows the words for a gap: see `table_program`."""
    return table_program(model, name, notes.target, {*GAPS, *notes.gaps})
