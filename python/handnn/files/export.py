"""Exports of a model from `handnn train`: every format of `handnn export`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from handnn.exchange.c.csv import table_program
from handnn.exchange.c.table import table_header
from handnn.exchange.onnx.table import table_to_onnx
from handnn.files.model import Notes
from handnn.tables import TableModel
from handnn.tables.cells import GAPS


def _onnx(model: TableModel, notes: Notes, name: str) -> bytes:
    data: bytes = table_to_onnx(model, notes.target, _gaps(notes)).SerializeToString()
    return data


def _program(model: TableModel, notes: Notes, name: str) -> bytes:
    return table_program(model, name, notes.target, _gaps(notes)).encode("ascii")


def _header(model: TableModel, notes: Notes, name: str) -> bytes:
    return table_header(model, name, notes.target).encode("ascii")


def _gaps(notes: Notes) -> set[str]:
    """Return the texts that stood for a missing value in training."""
    return {*GAPS, *notes.gaps}


EXPORTERS: Mapping[str, Callable[[TableModel, Notes, str], bytes]] = {
    "onnx": _onnx,
    "c": _program,
    "header": _header,
}
"""The contents of a file in each format, given a model, its notes, and an identifier for C."""
