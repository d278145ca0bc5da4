"""Answers: the targets of rows as they came, checked: nothing missing, and all of one kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handnn.tables.cells import Cells, cells, look_up, numbers
from handnn.tables.reading import Reader

FEW = 20
"""How many ints, at the most, are taken for classes."""

ENOUGH = 2
"""How many classes there must be, and how often each must be there on the average."""


class Answers:
    """The columns of y: (N,) or (N, O). Raises ValueError where nothing is there."""

    def __init__(self, y: Any, where: str) -> None:
        self.where = where
        flat = not hasattr(y, "columns") and not isinstance(y, Mapping)
        if flat and not hasattr(y, "ndim"):
            y = _array_of(y, where)
        if getattr(y, "ndim", 1) not in (1, 2):
            raise ValueError(f"{where}: y must have shape (N,) or (N, O), but has {y.shape}")
        self.is_flat = flat and (not hasattr(y, "ndim") or y.ndim == 1)
        self.columns: list[Cells]
        if self.is_flat:
            self.columns = [cells(y, "y", 0, where, loose=False)]
        else:
            reader = Reader(y, where)
            self.columns = [
                cells_named(reader.cells(place), reader.call(place)) for place in range(len(reader))
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
        """Return what y is, judged by its values."""
        if any(column.text.any() for column in self.columns[1:]):
            return "multiclass"  # which is told that it must be one column
        if self.n_columns > 1:
            is_yes_or_no = all(
                column.is_bool or (_is_int(column) and set(column.present) <= {0, 1})
                for column in self.columns
            )
            return "multilabel" if is_yes_or_no else "regression"
        column = self.columns[0]
        is_kind = column.text.any() or column.is_bool or column.is_category
        if not is_kind and not _is_int(column):
            return "regression"
        count = len(set(column.present))
        if is_kind or count <= min(FEW, self.n_rows // ENOUGH):
            return "binary" if count == ENOUGH else "multiclass"
        return "regression"

    def numbers(self) -> NDArray[np.float64]:
        """Return y as (N, O); ValueError for text and infinities."""
        return np.stack([numbers(c, self.where, reads_text=False) for c in self.columns], axis=1)

    def questions(self) -> NDArray[np.float64]:
        """Return y as (N, O); ValueError for anything but yes and no, or 0 and 1."""
        values = self.numbers()
        for place, column in enumerate(self.columns):
            bad = (values[:, place] != 0) & (values[:, place] != 1)
            if bad.any():
                raise column.error(self.where, bad, "is neither 0 nor 1")
        return values

    def classes(self) -> NDArray[Any]:
        """Return the different labels of y, (N,) or (N, 1), sorted, of one type."""
        column = self._labels()
        found = sorted(set(column.present))
        if column.text.any():
            return np.array(list(map(str, found)))
        if column.is_bool:
            return np.array(list(map(bool, found)))
        if _is_int(column):
            if found[0] < -(2**63) or found[-1] >= 2**63:
                raise ValueError(f"{self.where}: y has labels beyond 64 bits")
            return np.array(found, np.int64)
        return np.array(found, np.float64)

    def places(self, classes: list[Any]) -> NDArray[np.int64]:
        """Return the place of every label among the `classes`; ValueError for one that is none."""
        column = self._labels()
        codes = {label: place for place, label in enumerate(classes)}
        found = look_up(column.present, codes, -1)
        if (found < 0).any():
            raise column.error(self.where, found < 0, "is a label that training did not have")
        return found

    def _labels(self) -> Cells:
        """Return the one column, all text or all numbers."""
        if self.n_columns > 1:
            raise ValueError(
                f"{self.where}: y must be (N,) to have classes, but has {self.n_columns} columns; "
                "write task='multilabel' for several questions"
            )
        column = self.columns[0]
        if column.text.any() and not column.text.all():
            raise column.error(self.where, ~column.text, "is no text, as other labels are")
        if not column.text.any():
            numbers(column, self.where, reads_text=False)  # refuses infinities
        return column


def cells_named(column: Cells, name: str) -> Cells:
    """Return the cells under the name that they have in y."""
    return Cells(
        f"y, {name}", column.key, column.values, column.missing, column.text,
        is_loose=False, is_category=column.is_category,
    )  # fmt: skip


def _array_of(y: Any, where: str) -> Any:
    """Return a list as it is if it is flat, else as rows; a Series of any library as it is."""
    if not isinstance(y, list | tuple):
        if not hasattr(y, "__array__"):
            raise TypeError(f"{where}: y must be an array of targets, but is a {type(y).__name__}")
        return y
    if y and isinstance(y[0], list | tuple | np.ndarray):
        array = np.empty((len(y), len(y[0])), object)
        if any(not hasattr(row, "__len__") or len(row) != len(y[0]) for row in y):
            raise ValueError(f"{where}: y has rows of different lengths")
        array[...] = y
        return array
    flat = np.empty(len(y), object)
    flat[...] = y
    return flat


def _is_int(column: Cells) -> bool:
    if column.values.dtype != object:
        return column.values.dtype.kind in "iu"
    return all(issubclass(kind, int | np.integer) for kind in set(map(type, column.present)))
