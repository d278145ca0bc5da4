"""The targets of N rows as they were given: complete, and all of one type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from handnn.tables.cells import (
    AnyArray,
    Cells,
    Floats,
    look_up,
    read_cells,
    sorted_labels,
    to_numbers,
)
from handnn.tables.steps import Label
from handnn.tables.table_reader import TableReader

TargetLike: TypeAlias = object
"""The targets of N rows: an array or list (N,) or (N, O), a Series or a DataFrame."""

MAX_INT_CLASSES = 20
"""Ints are class labels if there are at most this many different ones."""

MIN_CLASSES = 2

MIN_MEAN_COUNT = 2
"""Ints are class labels if each of them occurs at least this often on average."""


class TargetValues:
    """The columns of y, (N,) or (N, O); ValueError if a value is missing."""

    def __init__(self, y: TargetLike, where: str) -> None:
        self.where = where
        is_flat = not hasattr(y, "columns") and not isinstance(y, Mapping)
        if is_flat and not hasattr(y, "ndim"):
            y = _array(y, where)
        n_dimensions = getattr(y, "ndim", 1)
        if n_dimensions not in (1, 2):
            shape = getattr(y, "shape", None)
            raise ValueError(f"{where}: y must have shape (N,) or (N, O), but has {shape}")
        self.is_flat = is_flat and n_dimensions == 1
        self.columns: list[Cells]
        if self.is_flat:
            self.columns = [read_cells(y, "y", 0, where, loose=False)]
        else:
            reader = TableReader(y, where)
            self.columns = [
                _named(reader.cells(place), reader.describe(place)) for place in range(len(reader))
            ]
        for column in self.columns:
            if column.missing.any():
                row = int(column.missing.argmax())
                raise ValueError(f"{where}: {column.name} has no value in row {row}")

    @property
    def n_columns(self) -> int:
        """O, 1 for (N,)."""
        return len(self.columns)

    @property
    def n_rows(self) -> int:
        """N."""
        return len(self.columns[0].values)

    def task(self) -> str:
        """Infer the task from the values."""
        if any(column.text.any() for column in self.columns[1:]):
            return "multiclass"  # `classes` then raises that there must be one column
        if self.n_columns > 1:
            is_yes_or_no = all(
                column.is_bool or (column.is_int and set(column.present) <= {0, 1})
                for column in self.columns
            )
            return "multilabel" if is_yes_or_no else "regression"
        column = self.columns[0]
        is_category = bool(column.text.any()) or column.is_bool or column.is_category
        if not is_category and not column.is_int:
            return "regression"
        count = len(set(column.present))
        if is_category or count <= min(MAX_INT_CLASSES, self.n_rows // MIN_MEAN_COUNT):
            return "binary" if count == 2 else "multiclass"
        return "regression"

    def numbers(self) -> Floats:
        """Return y as (N, O); ValueError for text and infinities."""
        return np.stack([to_numbers(c, self.where, reads_text=False) for c in self.columns], axis=1)

    def yes_or_no(self) -> Floats:
        """Return y as (N, O) of 0 and 1; ValueError for other values."""
        values = self.numbers()
        for place, column in enumerate(self.columns):
            bad = (values[:, place] != 0) & (values[:, place] != 1)
            if bad.any():
                raise column.error(self.where, bad, "is neither 0 nor 1")
        return values

    def classes(self) -> AnyArray:
        """Return the distinct labels of y, (N,) or (N, 1), in ascending order, of one type."""
        column = self._labels()
        found = sorted_labels(column.present)
        if column.text.any():
            return np.array(list(map(str, found)))
        if column.is_bool:
            return np.array(list(map(bool, found)))
        if column.is_int:
            labels = list(map(int, found))
            if labels[0] < -(2**63) or labels[-1] >= 2**63:
                raise ValueError(f"{self.where}: y has labels beyond 64 bits")
            return np.array(labels, np.int64)
        return np.array(found, np.float64)

    def class_indices(self, classes: Iterable[Label]) -> NDArray[np.int64]:
        """Return the index of every label in `classes`; ValueError for a label not among them."""
        column = self._labels()
        codes = {label: place for place, label in enumerate(classes)}
        found = look_up(column.present, codes, -1)
        if (found < 0).any():
            raise column.error(self.where, found < 0, "is a label absent from training")
        return found

    def _labels(self) -> Cells:
        """Return the only column, checked to be all text or all numbers."""
        if self.n_columns > 1:
            raise ValueError(
                f"{self.where}: y must be (N,) to have classes, but has {self.n_columns} columns; "
                "write task='multilabel' for several yes-or-no targets"
            )
        column = self.columns[0]
        if column.text.any() and not column.text.all():
            raise column.error(self.where, ~column.text, "is not text, unlike other labels")
        if not column.text.any():
            to_numbers(column, self.where, reads_text=False)  # raises for infinities
        return column


def _named(column: Cells, name: str) -> Cells:
    """Return a column of y under its name in messages."""
    return Cells(
        f"y, {name}", column.key, column.values, column.missing, column.text,
        is_loose=False, is_category=column.is_category,
    )  # fmt: skip


def _array(y: TargetLike, where: str) -> TargetLike:
    """Return a list as an object array (N,) or (N, O), and a Series of any library as it is."""
    if not isinstance(y, list | tuple):
        if not hasattr(y, "__array__"):
            raise TypeError(f"{where}: y must be an array of targets, but is a {type(y).__name__}")
        return y
    if y and isinstance(y[0], list | tuple | np.ndarray):
        array = np.empty((len(y), len(y[0])), object)
        if any(not isinstance(row, Sized) or len(row) != len(y[0]) for row in y):
            raise ValueError(f"{where}: y has rows of different lengths")
        array[...] = y
        return array
    flat = np.empty(len(y), object)
    flat[...] = y
    return flat
