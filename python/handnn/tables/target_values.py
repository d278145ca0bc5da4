"""The targets of N rows, checked to be complete and of one type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from handnn.tables.cells import (
    DEFAULT_GAPS,
    INTEGER,
    MAX_INT_LABELS,
    MIN_MEAN_COUNT,
    AnyArray,
    Cells,
    ColumnError,
    Floats,
    GapWords,
    advice_for,
    category_text,
    check_near_numbers,
    label_codes,
    look_up,
    read_cells,
    sorted_labels,
    to_numbers,
)
from handnn.tables.steps import Label
from handnn.tables.table_reader import TableReader

TargetLike: TypeAlias = object
"""The targets of N rows: an array or list (N,) or (N, O), a Series or a DataFrame."""

MIN_CLASSES = 2

MAX_CHARACTERS = 2**20
"""The largest product of the number of classes and of the length of the longest one."""


class TargetValues:
    """The columns of y, (N,) or (N, O), read as docs/cells.md says.

    gaps: the strings that mean a missing value. Raises ValueError if a value is missing, unless it
    is one of the `labels` of training.
    """

    def __init__(
        self,
        y: TargetLike,
        where: str,
        gaps: GapWords = DEFAULT_GAPS,
        labels: Sequence[Label] = (),
    ) -> None:
        self.where = where
        self._codes = label_codes(labels)
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
            self.columns = [read_cells(y, "y", 0, where, gaps)]
        else:
            reader = TableReader(y, where, gaps)
            self.columns = [
                replace(reader.cells(place), name=f"y, {reader.describe(place)}")
                for place in range(len(reader))
            ]
        for column in self.columns:
            self._check_complete(column)

    def _check_complete(self, column: Cells) -> None:
        """Raise ValueError for the first missing value that is not a label."""
        if not column.missing.any():
            return
        for row in np.flatnonzero(column.missing).tolist():
            text = column.values[row]
            if not isinstance(text, str):
                raise ValueError(f"{self.where}: {column.name} has no value in row {row}")
            if text not in self._codes:
                raise ValueError(
                    f"{self.where}: {column.name} has {text!r:.40} in row {row}, "
                    "which means a missing value"
                )

    @property
    def n_columns(self) -> int:
        """O, 1 for (N,)."""
        return len(self.columns)

    @property
    def n_rows(self) -> int:
        """N."""
        return len(self.columns[0].values)

    def task(self) -> str:
        """Infer the task from the values.

        Raises ColumnError for dates, and for strings that look like numbers.
        """
        if any(_has_text(column) for column in self.columns[1:]):
            return "multiclass"  # `classes` then raises that there must be one column
        if self.n_columns > 1:
            is_yes_or_no = all(
                column.bools.all() or (_are_ints(column) and set(column.floats.tolist()) <= {0, 1})
                for column in self.columns
            )
            return "multilabel" if is_yes_or_no else "regression"
        column = self.columns[0]
        if _has_text(column):
            self._check_labels(column)
        is_category = _has_text(column) or bool(column.bools.all()) or column.is_category
        if not is_category and not _are_ints(column):
            return "regression"
        count = len(set(column.texts.tolist()))
        if is_category or count <= min(MAX_INT_LABELS, self.n_rows // MIN_MEAN_COUNT):
            return "binary" if count == 2 else "multiclass"
        return "regression"

    def _check_labels(self, column: Cells) -> None:
        """Raise ColumnError for strings that may be meant as values rather than labels."""
        advice = "; task='multiclass' treats them as labels"
        if np.isfinite(column.days).all():
            raise ColumnError(
                f"{self.where}: {column.name} holds dates, such as {column.values[0]!s:.40}; "
                "predict a number of days",
                advice,
            )
        is_number = ~np.isnan(column.floats) & ~column.bools
        if not column.is_category and 2 * is_number.sum() >= self.n_rows:
            error = column.error(self.where, ~is_number, "is not a number, unlike other rows")
            raise ColumnError(f"{error}{advice_for(column, ~is_number)}", advice)
        check_near_numbers(column, self.where, self.n_rows, int(is_number.sum()), advice)

    def numbers(self) -> Floats:
        """Return y as (N, O); ValueError for text and infinities."""
        return np.stack([to_numbers(column, self.where) for column in self.columns], axis=1)

    def yes_or_no(self) -> Floats:
        """Return y as (N, O) of 0 and 1; ValueError for other values."""
        values = self.numbers()
        for place, column in enumerate(self.columns):
            bad = (values[:, place] != 0) & (values[:, place] != 1)
            if bad.any():
                raise column.error(self.where, bad, "is neither 0 nor 1")
        return values

    def classes(self) -> AnyArray:
        """Return the distinct labels of y, (N,) or (N, 1), in ascending order, of one type.

        Labels keep their spelling; equal numbers are one label. If float64 cannot hold all numbers,
        because integers are too large and others are fractions, all labels become text.
        """
        column = self._labels()
        found = sorted_labels(column.written().values())
        if isinstance(found[0], str | bool):
            return label_array(found)
        has_fractions = any(isinstance(label, float) for label in found)
        if has_fractions and any(float(label) != label for label in found):
            return label_array(sorted(map(category_text, found)))
        if any(isinstance(value, float | np.floating) for value in column.present):
            return np.array(found, np.float64)
        try:
            return label_array(found)
        except OverflowError:
            raise ValueError(f"{self.where}: y has labels beyond 64 bits") from None

    def class_indices(self) -> NDArray[np.int64]:
        """Return the index of every row's label among `labels`; ValueError for other labels."""
        column = self._labels()
        found = look_up(column.texts.tolist(), self._codes, -1)
        if (found < 0).any():
            raise column.error(self.where, found < 0, "is a label absent from training")
        return found

    def _labels(self) -> Cells:
        """Return the only column, checked to hold no infinities."""
        if self.n_columns > 1:
            raise ValueError(
                f"{self.where}: y must be (N,) to have classes, but has {self.n_columns} columns; "
                "write task='multilabel' for several yes-or-no targets"
            )
        column = self.columns[0]
        column.check_finite(self.where)
        return column


def label_array(labels: Sequence[Label]) -> NDArray[np.generic]:
    """Return labels as an array of their type: text, bools, 64-bit ints or floats.

    Raises ValueError if text would take too much memory: each takes as much as the longest.
    """
    longest = max(len(label) if isinstance(label, str) else 0 for label in labels)
    if len(labels) * longest > MAX_CHARACTERS:
        raise ValueError(
            f"there are {len(labels)} classes, and one has {longest} characters: "
            f"the product may be at most {MAX_CHARACTERS}"
        )
    if isinstance(labels[0], bool) or not all(isinstance(label, int) for label in labels):
        return np.array(labels)
    is_unsigned = any(isinstance(label, int) and label >= 2**63 for label in labels)
    return np.array(labels, np.uint64 if is_unsigned else np.int64)


def _has_text(column: Cells) -> bool:
    """Return whether a value is neither a number nor a boolean."""
    return bool((column.dates | (column.text & np.isnan(column.floats))).any()) or bool(
        column.bools.any() and not column.bools.all()
    )


def _are_ints(column: Cells) -> bool:
    """Return whether every value is an integer, typed or written without a point."""
    if column.values.dtype != object:
        return column.values.dtype.kind in "iu"
    kinds = set(map(type, column.values.tolist()))
    if not all(issubclass(kind, int | np.integer | str) for kind in kinds) or bool in kinds:
        return False
    return all(INTEGER.fullmatch(text) for text in set(column.values[column.text].tolist()))


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
