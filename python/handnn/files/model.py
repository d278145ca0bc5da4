"""A model in a file, with what it takes to read the files that it predicts: all in one."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

from handnn import storage
from handnn.files.reading.source import Dialect
from handnn.files.reading.text import TableError
from handnn.tables import CategoryColumn, TableModel, checks

ENTRY = "file"
"""The name of our entry in what the file says of the model."""

KINDS = ("number", "category")


@dataclass(frozen=True)
class Notes:
    """What a model file says beside the model.

    target: the name of the column that is predicted. kind: "number" or "category". decimal, gaps:
    how the text of the file was read. story: how it was trained, and its scores, for people.
    """

    target: str
    kind: str
    decimal: str
    gaps: tuple[str, ...]
    story: dict[str, Any]


def save_model(path: str | os.PathLike[str], model: TableModel, notes: Notes) -> None:
    """Write a model and its notes to `path`, all or nothing; `TableModel.load` reads it, too."""
    arrays, architecture = model.contents("TableModel.save")
    storage.write(path, arrays, {**architecture, ENTRY: asdict(notes)})


def load_model(path: str | os.PathLike[str]) -> tuple[TableModel, Notes]:
    """Return what `save_model` wrote; FormatError when the file is none, OSError if unreadable."""
    path = os.fspath(path)
    if os.path.isdir(path):
        raise TableError(f"{path} is a folder, not a model")
    return storage.read(path, _read_model, "a model of a table", "handnn predict")


def _read_model(file: storage.TensorFile) -> tuple[TableModel, Notes]:
    model = TableModel.from_file(file)
    entry = storage.read_architecture(file.metadata, "table").get(ENTRY)
    if entry is None:
        raise ValueError("it was not saved by handnn train, and does not name its target")
    return model, _notes(entry)


def _notes(entry: Any) -> Notes:
    checks.keys(entry, set(Notes.__dataclass_fields__), "the entry of handnn train")
    kind = checks.word(entry["kind"], KINDS, "the kind of the target")
    decimal = checks.word(entry["decimal"], (".", ","), "the decimal point")
    gaps, target, story = entry["gaps"], entry["target"], entry["story"]
    if not (isinstance(gaps, list) and all(isinstance(gap, str) for gap in gaps)):
        raise ValueError("its gaps must be texts")
    if not (isinstance(target, str) and isinstance(story, dict)):
        raise ValueError("its target must be a name, and its story an object")
    return Notes(target, kind, decimal, tuple(gaps), story)


def kinds_of(model: TableModel) -> dict[str, str]:
    """Return the kind of every column that the model takes, by its name."""
    names = model.columns.feature_names_in
    if names is None:
        raise TableError("the model was trained on columns without names")
    return {name: c.kind for name, c in zip(names, model.columns.columns, strict=True)}


def labels_of(model: TableModel, name: str) -> tuple[Any, ...]:
    """Return the categories of a column."""
    place = list(kinds_of(model)).index(name)
    column = model.columns.columns[place]
    return column.labels if isinstance(column, CategoryColumn) else ()


def dialect_of(notes: Notes, given: Dialect) -> Dialect:
    """Return how to read a file for this model: as in training, but for what is told anew."""
    decimal = given.decimal if given.decimal != "." else notes.decimal
    return Dialect(given.delimiter, given.encoding, decimal, (*notes.gaps, *given.gaps))
