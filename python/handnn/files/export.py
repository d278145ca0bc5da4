"""Export the model of a file to run without Python: every format of `handnn export`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from handnn.exchange.c.csv import table_program
from handnn.exchange.c.table import table_header
from handnn.exchange.onnx.table import table_to_onnx
from handnn.files.model import FileModel
from handnn.tables import TableModel
from handnn.tables.cells import GAPS
from handnn.tables.interval_outputs import ENDS


def cast_model(model: FileModel, dtype: str) -> FileModel:
    """Return a copy of a model that computes in float32 or float64."""
    networks = [network.astype(dtype) for network in model.networks]
    return FileModel(TableModel(networks, model.columns, model.target), model.notes)


def interval_model(model: FileModel, coverage: float) -> FileModel:
    """Return a model with three outputs for each target: see `TableModel.with_interval`."""
    names = tuple(f"{name}{end}" for name in model.notes.target_names for end in ENDS)
    return FileModel(model.with_interval(coverage), replace(model.notes, targets=names))


def _onnx(model: FileModel, name: str, file: str) -> bytes:
    exported = table_to_onnx(model, model.notes.target_names, _gaps(model))
    return bytes(exported.SerializeToString())


def _program(model: FileModel, name: str, file: str) -> bytes:
    return table_program(model, name, model.notes.target_names, _gaps(model)).encode("ascii")


def _header(model: FileModel, name: str, file: str) -> bytes:
    return table_header(model, name, model.notes.target_names, file=file).encode("ascii")


def _gaps(model: FileModel) -> set[str]:
    """Return the strings that marked a missing value in training."""
    return {*(GAPS if model.columns.gaps is None else ("", *model.columns.gaps)), *model.notes.gaps}


EXPORTERS: Mapping[str, Callable[[FileModel, str, str], bytes]] = {
    "onnx": _onnx,
    "c": _program,
    "header": _header,
}
"""The contents of a file in each format, given a model, a prefix for the names in C,
and the name of the file.
"""
