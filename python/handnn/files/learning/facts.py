"""Facts about a column of a file, collected block by block."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from handnn.files.reading.block import Places
from handnn.files.reading.values import (
    MAX_NUMBER,
    MAX_SHOWN_CELLS,
    as_labels,
    as_numbers,
    is_too_large,
    label_counts,
)
from handnn.tables.moments import RunningMoments

if TYPE_CHECKING:
    from polars import Series

MAX_LABELS = 100_000
"""The largest number of distinct texts that are counted for a column."""

MAX_NUMBER_LABELS = 1_000
"""The same for a column whose cells are all numbers so far."""

MAX_SAMPLE = 50_000
"""The largest number of values kept for the quantiles of a column."""

PlacedCell = tuple[int, str]
"""The place of a cell, and its text."""


@dataclass
class TrainingFacts:
    """Statistics of one column in the training rows of a streamed file.

    Attributes:
        moments: count, mean and deviation of the numbers.
        labels: how often each text occurs.
        sample: every `step`-th number, at most `MAX_SAMPLE` of them.
    """

    n_gaps: int = 0
    moments: RunningMoments = field(default_factory=RunningMoments)
    labels: Counter[str] = field(default_factory=Counter)
    sample: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    step: int = 1

    def add(self, values: NDArray[np.float64]) -> None:
        """Update moments and sample with more numbers."""
        n_before = self.moments.n
        self.moments.add(values)
        self.sample = np.concatenate([self.sample, values[-n_before % self.step :: self.step]])
        while len(self.sample) > MAX_SAMPLE:
            self.sample, self.step = self.sample[::2], 2 * self.step


@dataclass
class ColumnFacts:
    """Facts about one column, from the blocks that have been added.

    Attributes:
        is_chosen: whether the user declared the column as categories.
        n_gaps, n_texts, n_numbers, n_too_large: the numbers of missing cells, of texts that are not
            numbers, of numbers, and of numbers beyond `MAX_NUMBER`.
        first_gap: the place of the first missing cell.
        texts, numbers, too_large: the first few cells of each kind.
        is_whole: whether all numbers are integers that are written without a point.
        minimum, maximum: of the numbers that are not too large.
        labels: how often each text or number occurs; complete only if `is_counted`.
        training: the same for the training rows of a streamed file.
    """

    name: str
    is_chosen: bool = False
    n_gaps: int = 0
    n_texts: int = 0
    n_numbers: int = 0
    n_too_large: int = 0
    first_gap: int = 0
    texts: list[PlacedCell] = field(default_factory=list)
    numbers: list[PlacedCell] = field(default_factory=list)
    too_large: list[PlacedCell] = field(default_factory=list)
    is_whole: bool = True
    minimum: float = np.inf
    maximum: float = -np.inf
    is_counted: bool = True
    labels: Counter[str] = field(default_factory=Counter)
    training: TrainingFacts = field(default_factory=TrainingFacts)

    @property
    def n_values(self) -> int:
        """The number of cells that are not missing."""
        return self.n_texts + self.n_numbers

    @property
    def first_value(self) -> str:
        """The first text, or the first number if there are no texts."""
        return (self.texts or self.numbers)[0][1]

    @property
    def kind(self) -> str:
        """Return "number", "category", "empty", or "mixed" for numbers and fewer texts."""
        if self.n_values == 0:
            return "empty"
        if self.n_texts == 0:
            return "number"
        is_mixed = 2 * self.n_numbers >= self.n_values or (self.n_numbers and not self.is_counted)
        return "mixed" if is_mixed else "category"

    @property
    def is_constant(self) -> bool:
        """Whether all rows have the same value."""
        if self.n_gaps or self.n_values == 0:
            return False
        if self.n_texts == 0:
            return self.minimum == self.maximum and not self.n_too_large
        return len(self.labels) == 1

    def add(
        self,
        cells: Series,
        places: Places,
        decimal: str,
        is_typed: bool = False,
        is_training: Series | None = None,
    ) -> None:
        """Add the cells of one more block.

        is_typed: whether text is never a number. is_training: the rows to collect `training` from;
        None for none.
        """
        gaps = cells.is_null()
        n_gaps = int(gaps.sum())
        if n_gaps and not self.n_gaps:
            self.first_gap = int(places[int(gaps.arg_true()[0])])
        self.n_gaps += n_gaps
        is_text = str(cells.dtype) == "String"
        values = as_numbers(cells.clear(len(cells)) if is_typed and is_text else cells, decimal)
        is_number = values.is_not_null()
        n_numbers = int(is_number.sum())
        self.n_texts += len(cells) - n_gaps - n_numbers
        self.n_numbers += n_numbers
        _keep(self.numbers, cells, is_number, places)
        _keep(self.texts, cells, ~is_number & ~gaps, places)
        self._add_numbers(cells, values, places)
        if self.is_counted:
            self._count(cells if is_text else as_labels(cells), is_training)
        if is_training is not None:
            numbers = values.filter(is_training).drop_nulls().to_numpy()
            self.training.n_gaps += int((gaps & is_training).sum())
            self.training.add(numbers[abs(numbers) <= MAX_NUMBER])

    def _add_numbers(self, cells: Series, values: Series, places: Places) -> None:
        """Update the range of the numbers and whether they are integers."""
        numbers = values.drop_nulls().to_numpy()
        is_large = ~(abs(numbers) <= MAX_NUMBER)
        if is_large.any():
            _keep(self.too_large, cells, is_too_large(values), places)
            self.n_too_large += int(is_large.sum())
            numbers = numbers[~is_large]
        if len(numbers):
            self.minimum = min(self.minimum, float(numbers.min()))
            self.maximum = max(self.maximum, float(numbers.max()))
            self.is_whole = self.is_whole and _are_integers(cells)

    def _count(self, cells: Series, is_training: Series | None) -> None:
        """Count the labels while the column may still be one of categories."""
        self.labels.update(label_counts(cells))
        if is_training is not None:
            self.training.labels.update(label_counts(cells.filter(is_training)))
        has_only_numbers = self.n_texts == 0 and not self.is_chosen
        if len(self.labels) > (MAX_NUMBER_LABELS if has_only_numbers else MAX_LABELS):
            self.is_counted = False


def _keep(kept: list[PlacedCell], cells: Series, is_kept: Series, places: Places) -> None:
    """Keep the first few of some cells, with their places."""
    if len(kept) < MAX_SHOWN_CELLS:
        rows = is_kept.arg_true()[: MAX_SHOWN_CELLS - len(kept)].to_list()
        kept += [(int(places[row]), str(cells[row])) for row in rows]


def _are_integers(cells: Series) -> bool:
    """Return whether all numbers are integers of up to 18 digits, written without a point."""
    if str(cells.dtype) != "String":
        return bool(cells.dtype.is_integer())
    return bool(cells.str.contains(r"^[+-]?[0-9]{1,18}$").all())
