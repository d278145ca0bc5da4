"""Facts about a column of a file, collected block by block."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from handnn.files.reading.block import Block, Places
from handnn.files.reading.cells import MAX_NUMBER, FileCells
from handnn.files.reading.values import (
    MAX_SHOWN_CELLS,
    are_dates,
    is_too_large,
    label_counts,
    without,
)
from handnn.tables.cells import category_text, few_labels
from handnn.tables.moments import RunningMoments
from handnn.tables.steps import Label

if TYPE_CHECKING:
    from polars import DataFrame, Series

MAX_LABELS = 100_000
"""The largest number of distinct strings that are counted for a column."""

MAX_NUMBER_LABELS = 1_000
"""The limit while all cells of a column are numbers."""

MAX_SAMPLE = 50_000
"""The largest number of values kept for the quantiles of a column."""

CANONICAL_INTEGER = r"^(0|-?[1-9][0-9]{0,17})$"
"""The canonical form of an integer."""

CANONICAL_DECIMAL = r"^-?(0|[1-9][0-9]{0,9})[.]([0-9]{0,4}[1-9]|0)$"
"""The canonical form of a number, as in Python."""

PlacedCell = tuple[int, str]
"""The place of a cell, and its text."""


@dataclass
class TrainingFacts:
    """Statistics of one column in the training rows of a streamed file.

    Attributes:
        moments: count, mean and deviation of the numbers, or of the days of dates.
        labels: how often each value occurs.
        sample: every `step`-th number, at most `limit` of them.
    """

    n_gaps: int = 0
    moments: RunningMoments = field(default_factory=RunningMoments)
    labels: Counter[Label] = field(default_factory=Counter)
    sample: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    step: int = 1
    limit: int = MAX_SAMPLE

    def add(self, values: NDArray[np.float64]) -> None:
        """Update moments and sample with more numbers."""
        n_before = self.moments.n
        self.moments.add(values)
        self.sample = np.concatenate([self.sample, values[-n_before % self.step :: self.step]])
        while len(self.sample) > self.limit:
            self.sample, self.step = self.sample[::2], 2 * self.step

    def merge(self, other: TrainingFacts) -> None:
        """Add the statistics of other rows; the samples are combined."""
        self.n_gaps += other.n_gaps
        self.moments.merge(other.moments)
        self.labels.update(other.labels)
        step = max(self.step, other.step)
        parts = [part.sample[:: step // part.step] for part in (self, other)]
        self.sample, self.step = np.concatenate(parts), step


@dataclass
class ColumnFacts:
    """Facts about one column, from the blocks that have been added.

    Attributes:
        is_chosen: whether the user declared the column as categories.
        counts_labels: whether to count labels even while all values are numbers.
        dtype: the type of a column that cannot be read, such as "List(Int64)"; else "".
        n_rows, n_gaps, n_texts, n_numbers, n_bools, n_dates, n_too_large: the numbers of rows, of
            missing cells, of strings that are not numbers, of numbers, of bools and dates among the
            strings, and of numbers beyond `MAX_NUMBER`.
        first_gap: the place of the first missing cell.
        has_gap_words: whether a missing cell holds text, such as NA.
        texts, numbers, too_large, not_dates: the first few cells of each kind.
        units: the units of numbers, such as "%", and how often each occurs.
        is_whole: whether all numbers are integers that are written without a point.
        is_canonical: whether all integers are also in canonical form, without leading zeros.
        is_decimal: whether all numbers have a point and are in canonical form.
        is_running: whether the cells count the rows from `start`, the first cell, 0 or 1.
        minimum, maximum: of the numbers that are not too large.
        labels: the count of each value; complete only if `is_counted`.
        training: the same for the training rows of a streamed file.
    """

    name: str
    is_chosen: bool = False
    counts_labels: bool = True
    dtype: str = ""
    n_rows: int = 0
    n_gaps: int = 0
    n_texts: int = 0
    n_numbers: int = 0
    n_bools: int = 0
    n_dates: int = 0
    n_too_large: int = 0
    first_gap: int = 0
    has_gap_words: bool = False
    texts: list[PlacedCell] = field(default_factory=list)
    numbers: list[PlacedCell] = field(default_factory=list)
    too_large: list[PlacedCell] = field(default_factory=list)
    not_dates: list[PlacedCell] = field(default_factory=list)
    units: Counter[str] = field(default_factory=Counter)
    is_whole: bool = True
    is_canonical: bool = True
    is_decimal: bool = True
    is_running: bool = True
    start: float | None = None
    minimum: float = np.inf
    maximum: float = -np.inf
    is_counted: bool = True
    labels: Counter[Label] = field(default_factory=Counter)
    training: TrainingFacts = field(default_factory=TrainingFacts)

    @property
    def n_values(self) -> int:
        """The number of cells that are not missing."""
        return self.n_texts + self.n_numbers

    @property
    def first_value(self) -> str:
        """The first string, or the first number in a column without strings."""
        return (self.texts or self.numbers)[0][1]

    @property
    def kind(self) -> str:
        """The kind of the column, by the rules of `tables.cells.infer_kind`.

        "number", "date", "category", "empty"; "mixed" for numbers and fewer strings, "mixed dates"
        for dates and fewer strings, "mixed units" for numbers with several units, or with and
        without one.
        """
        if self.n_values == 0:
            return "empty"
        if self.n_texts == 0:
            has_one_unit = len(self.units) <= 1 and self.units.total() in (0, self.n_numbers)
            return "number" if has_one_unit else "mixed units"
        if self.n_bools == self.n_values:
            return "category"
        if 2 * self.n_numbers >= self.n_values or (self.n_numbers and not self.is_counted):
            return "mixed"
        if 2 * self.n_dates >= self.n_values:
            return "date" if self.n_dates == self.n_values else "mixed dates"
        return "category"

    @property
    def has_few_labels(self) -> bool:
        """Whether a "mixed" column is one of categories, by `tables.cells.few_labels`."""
        is_complete = self.is_counted and self.labels.total() == self.n_values
        return self.kind == "mixed" and is_complete and not self.n_bools and few_labels(self.labels)

    @property
    def is_constant(self) -> bool:
        """Whether all rows have the same value."""
        if self.n_gaps or self.n_values == 0:
            return False
        if self.is_chosen:  # long integers may differ though they are one float64
            return self.is_counted and len(set(map(category_text, self.labels))) == 1
        if self.n_texts == 0:
            return self.minimum == self.maximum and not self.n_too_large
        return len(self.labels) == 1 and self.is_counted and not self.n_numbers

    def add(
        self,
        cells: FileCells,
        places: Places,
        plain: Series | None = None,
        is_training: Series | None = None,
        row: int | None = None,
    ) -> None:
        """Add the cells of one more block.

        plain: the column as Float64, if that is known to hold all its values. is_training: the rows
        to collect `training` from; None for none. row: the number of rows before the block; None
        for those that have been added.
        """
        row = self.n_rows if row is None else row
        column = cells.column
        missing = column.is_null() if plain is not None else cells.missing
        n_gaps = int(missing.sum())
        if n_gaps and not self.n_gaps:
            self.first_gap = int(places[int(missing.arg_true()[0])])
        values = plain if plain is not None else cells.numbers
        if plain is None:
            values = self._add_texts(cells, missing, values, places)
        n_numbers = len(values) - values.null_count()
        self._add_numbers(cells, values, places, row)
        self.n_rows += len(column)
        self.n_gaps += n_gaps
        self.has_gap_words |= bool(n_gaps and (missing & column.is_not_null()).any())
        self.n_numbers += n_numbers
        self.n_texts += len(column) - n_gaps - n_numbers
        if self.is_counted and (self.counts_labels or self.n_texts):
            self._count(cells, missing, is_training)
        if is_training is not None:
            self._add_training(cells, values, missing, is_training)

    def _add_texts(
        self, cells: FileCells, missing: Series, values: Series, places: Places
    ) -> Series:
        """Update the facts about values that are not plain numbers; return the numbers."""
        bools = cells.cells.bools & ~missing
        self.n_bools += int(bools.sum())
        values = without(values, bools)
        self.units.update(cells.units.drop_nulls().to_list())
        is_text = ~missing & values.is_null()
        if is_text.any():
            _keep(self.texts, cells.column, is_text, places)
            if self.n_dates == self.n_texts or self.n_dates * 2 >= self.n_texts:
                dates = are_dates(cells) & ~missing
                self.n_dates += int(dates.sum())
                _keep(self.not_dates, cells.column, is_text & ~dates, places)
        return values

    def _add_numbers(self, cells: FileCells, values: Series, places: Places, row: int) -> None:
        """Update the range of the numbers and whether they are integers."""
        numbers = values.to_numpy()
        if values.null_count():
            numbers = numbers[~np.isnan(numbers)]
            self.is_running = False
        if not len(numbers):
            return
        if not self.numbers:
            one = 0 if len(numbers) == len(values) else int(values.is_not_null().arg_true()[0])
            self.numbers = [(int(places[one]), str(cells.column[one]))]
        minimum, maximum = float(numbers.min()), float(numbers.max())
        if maximum > MAX_NUMBER or minimum < -MAX_NUMBER:
            _keep(self.too_large, cells.column, is_too_large(values), places)
            is_large = abs(numbers) > MAX_NUMBER
            self.n_too_large += int(is_large.sum())
            numbers = numbers[~is_large]
        if not len(numbers):
            return
        are_whole = self.is_whole and bool((numbers % 1 == 0).all())
        self._check_running(numbers, row)
        self._add_range(float(numbers.min()), float(numbers.max()), cells, are_whole)
        if self.counts_labels and cells.cells.is_text:
            texts = cells.cells.values.drop_nulls()
            self.is_canonical &= bool(texts.str.contains(CANONICAL_INTEGER).all())
            self.is_decimal &= bool(texts.str.contains(CANONICAL_DECIMAL).all())

    def _check_running(self, numbers: NDArray[np.float64], row: int) -> None:
        """Update whether the cells count the rows; `row` is the row of the first number."""
        if not self.is_running:
            return
        if self.start is None:
            self.start = float(numbers[0]) - row
        first = self.start + row
        self.is_running = self.start in (0.0, 1.0) and np.array_equal(
            numbers, np.arange(first, first + len(numbers))
        )

    def _add_range(self, minimum: float, maximum: float, cells: FileCells, are_whole: bool) -> None:
        """Update the range of numbers that are not too large, and whether they are integers."""
        self.minimum = min(self.minimum, minimum)
        self.maximum = max(self.maximum, maximum)
        self.is_whole = self.is_whole and are_whole and _are_integers(cells)

    def merge(self, other: ColumnFacts) -> None:
        """Add the facts about other rows of the same column."""
        self.dtype = self.dtype or other.dtype
        for name in ("rows", "gaps", "texts", "numbers", "bools", "dates", "too_large"):
            setattr(self, f"n_{name}", getattr(self, f"n_{name}") + getattr(other, f"n_{name}"))
        self.first_gap = min(filter(None, (self.first_gap, other.first_gap)), default=0)
        self.has_gap_words |= other.has_gap_words
        self.numbers = sorted(self.numbers + other.numbers)[:1]
        for name in ("texts", "too_large", "not_dates"):
            cells = sorted(getattr(self, name) + getattr(other, name))
            setattr(self, name, cells[:MAX_SHOWN_CELLS])
        self.units.update(other.units)
        for name in ("whole", "canonical", "decimal", "running", "counted"):
            setattr(
                self, f"is_{name}", getattr(self, f"is_{name}") and getattr(other, f"is_{name}")
            )
        self.is_running &= self.start == other.start or None in (self.start, other.start)
        self.start = other.start if self.start is None else self.start
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)
        self.labels.update(other.labels)
        self.is_counted = self.is_counted and len(self.labels) <= self._max_labels
        self.training.merge(other.training)

    @property
    def _max_labels(self) -> int:
        """The largest number of labels that are counted."""
        has_only_numbers = self.n_texts == 0 and not self.is_chosen
        return MAX_NUMBER_LABELS if has_only_numbers else MAX_LABELS

    def _count(self, cells: FileCells, missing: Series, is_training: Series | None) -> None:
        """Count the labels while the column may still be one of categories."""
        limit = self._max_labels
        values = without(cells.cells.values, missing)
        if values.dtype.is_float():
            values = values.fill_nan(None)
        if values.n_unique() > limit + 1:
            self.is_counted = False
            return
        self.labels.update(label_counts(values))
        if is_training is not None:
            self.training.labels.update(label_counts(values.filter(is_training)))
        self.is_counted = len(self.labels) <= limit

    def _add_training(
        self, cells: FileCells, values: Series, missing: Series, is_training: Series
    ) -> None:
        """Update the statistics of the training rows."""
        if self.n_dates:
            days = cells.cells.cells(self.name, "train_file").days
            numbers = days[(is_training & ~missing).to_numpy()]
        else:
            numbers = values.filter(is_training).drop_nulls().to_numpy()
        self.training.n_gaps += int((missing & is_training).sum())
        self.training.add(numbers[abs(numbers) <= MAX_NUMBER])


def add_plain(
    facts: Sequence[ColumnFacts], columns: Sequence[FileCells], plain: DataFrame, block: Block
) -> None:
    """Update several facts at once with columns of numbers without gaps; none may count labels.

    plain: the columns as Float64 without nulls, as `Source.numbers` returns them.
    """
    places = block.places
    values = plain.to_numpy(order="fortran")
    minima, maxima = values.min(axis=0).tolist(), values.max(axis=0).tolist()
    are_whole = (np.floor(values) == values).all(axis=0).tolist()
    rows = zip(facts, columns, values.T, minima, maxima, are_whole, strict=True)
    for fact, cells, numbers, minimum, maximum, whole in rows:
        if not fact.numbers:
            fact.numbers = [(int(places[0]), str(cells.column[0]))]
        fact._check_running(numbers, block.row)
        fact._add_range(minimum, maximum, cells, whole)
        fact.n_rows += len(places)
        fact.n_numbers += len(places)


def _keep(kept: list[PlacedCell], cells: Series, is_kept: Series, places: Places) -> None:
    """Keep the first few of some cells, with their places."""
    if len(kept) < MAX_SHOWN_CELLS:
        rows = is_kept.arg_true()[: MAX_SHOWN_CELLS - len(kept)].to_list()
        kept += [(int(places[row]), str(cells[row])) for row in rows]


def _are_integers(cells: FileCells) -> bool:
    """Return whether all numbers are integers, typed or written without a point."""
    if not cells.cells.is_text:
        return bool(cells.column.dtype.is_integer())
    return bool(cells.cells.values.str.contains(r"^[+-]?[0-9]+$").all())
