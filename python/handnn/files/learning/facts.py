"""Facts: what a column of a file holds, counted block by block, and what it is taken for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from handnn.files.reading.values import LARGEST, is_too_large, label_texts, parsed

if TYPE_CHECKING:
    from polars import Series

SHOWN = 5
"""How many bad cells of a column are told one by one."""

MOST_LABELS = 100_000
"""How many different texts of a column are counted."""

MOST_OF_NUMBERS = 1_000
"""How many are, as long as all of them are numbers."""

SAMPLED = 50_000
"""How many numbers of a column the median is taken of."""

BadCell = tuple[int, str]
"""The place of a cell, and what stands there."""


@dataclass
class Learnt:
    """What the rows that are trained on say of a column, for those who can't keep them.

    mean and square are those of Welford and Chan: square is Σ(x - mean)².
    """

    n_gaps: int = 0
    n_numbers: int = 0
    mean: float = 0.0
    square: float = 0.0
    labels: Counter[str] = field(default_factory=Counter)
    sample: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    """Every 2^k-th of the numbers, so few that they can be kept."""
    step: int = 1

    def add(self, values: NDArray[np.float64]) -> None:
        """Take numbers into the mean, the deviation and the sample."""
        before = self.n_numbers
        self.n_numbers += len(values)
        if not len(values):
            return
        mean = float(values.mean())
        shift = mean - self.mean
        self.square += float(np.square(values - mean).sum())
        self.square += shift * shift * before * len(values) / self.n_numbers
        self.mean += shift * len(values) / self.n_numbers
        self.sample = np.concatenate([self.sample, values[-before % self.step :: self.step]])
        while len(self.sample) > SAMPLED:
            self.sample, self.step = self.sample[::2], 2 * self.step


@dataclass
class Facts:
    """What is known of one column so far.

    texts and numbers hold the first few cells of either kind; counts of all are in n_texts and
    n_numbers.
    """

    name: str
    is_chosen: bool = False
    """Whether the caller calls it a column of categories."""
    n_gaps: int = 0
    n_texts: int = 0
    n_numbers: int = 0
    n_infinite: int = 0
    first_gap: int = 0
    texts: list[BadCell] = field(default_factory=list)
    numbers: list[BadCell] = field(default_factory=list)
    infinite: list[BadCell] = field(default_factory=list)
    is_whole: bool = True
    least: float = np.inf
    most: float = -np.inf
    is_counted: bool = True
    """Whether `labels` are all there are."""
    labels: Counter[str] = field(default_factory=Counter)
    learnt: Learnt = field(default_factory=Learnt)

    @property
    def n_values(self) -> int:
        """In how many rows something stands."""
        return self.n_texts + self.n_numbers

    @property
    def kind(self) -> str:
        """Return "number", "category", "empty", or "mixed": numbers, and fewer texts."""
        if self.n_values == 0:
            return "empty"
        if self.n_texts == 0:
            return "number"
        is_rare = 2 * self.n_numbers >= self.n_values or (self.n_numbers and not self.is_counted)
        return "mixed" if is_rare else "category"

    @property
    def is_constant(self) -> bool:
        """Whether the same stands in every row."""
        if self.n_gaps or self.n_values == 0:
            return False
        if self.n_texts == 0:
            return self.least == self.most and not self.n_infinite
        return len(self.labels) == 1

    def add(
        self,
        cells: Series,
        places: NDArray[np.int64],
        decimal: str,
        is_typed: bool = False,
        is_learnt: Series | None = None,
    ) -> None:
        """Count the cells of one more block.

        is_typed: whether text is text, even if it is "3". is_learnt: the rows that go into
        `learnt`; None for none.
        """
        gaps = cells.is_null()
        n_gaps = int(gaps.sum())
        if n_gaps and not self.n_gaps:
            self.first_gap = int(places[int(gaps.arg_true()[0])])
        self.n_gaps += n_gaps
        is_text = str(cells.dtype) == "String"
        values = parsed(cells.clear(len(cells)) if is_typed and is_text else cells, decimal)
        is_number = values.is_not_null()
        self._keep(self.numbers, cells, is_number, places)
        self._keep(self.texts, cells, ~is_number & ~gaps, places)
        finite = values.drop_nulls().to_numpy()
        ends = ~(abs(finite) <= LARGEST)
        if ends.any():
            self._keep(self.infinite, cells, is_too_large(values), places)
            self.n_infinite += int(ends.sum())
            finite = finite[~ends]
        self.n_texts += len(cells) - n_gaps - int(is_number.sum())
        self.n_numbers += len(ends)
        if len(finite):
            self.least = min(self.least, float(finite.min()))
            self.most = max(self.most, float(finite.max()))
        if self.is_whole and len(finite):
            self.is_whole = _are_whole(cells)
        if self.is_counted:
            self._count(cells if is_text else label_texts(cells), is_learnt)
        if is_learnt is not None:
            learnt = values.filter(is_learnt).drop_nulls().to_numpy()
            self.learnt.n_gaps += int((gaps & is_learnt).sum())
            self.learnt.add(learnt[abs(learnt) <= LARGEST])

    def _count(self, cells: Series, is_learnt: Series | None) -> None:
        """Count the labels, as long as it may be a column of categories."""
        self.labels.update(_counted(cells))
        if is_learnt is not None:
            self.learnt.labels.update(_counted(cells.filter(is_learnt)))
        is_of_numbers = self.n_texts == 0 and not self.is_chosen
        if len(self.labels) > (MOST_OF_NUMBERS if is_of_numbers else MOST_LABELS):
            self.is_counted = False

    def _keep(
        self, kept: list[BadCell], cells: Series, mask: Any, places: NDArray[np.int64]
    ) -> None:
        if len(kept) < SHOWN:
            rows = mask.arg_true()[: SHOWN - len(kept)].to_list()
            kept += [(int(places[row]), str(cells[row])) for row in rows]


def _counted(cells: Series) -> dict[str, int]:
    """Return how often each label is there."""
    counts = cells.drop_nulls().value_counts()
    return dict(zip(*(column.to_list() for column in counts), strict=True))


def _are_whole(cells: Series) -> bool:
    """Return whether all numbers are written without a point, in 64 bits."""
    if str(cells.dtype) != "String":
        return bool(cells.dtype.is_integer())
    return bool(cells.str.contains(r"^[+-]?[0-9]{1,18}$").all())
