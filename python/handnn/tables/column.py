"""The interface of a kind of column, for `Columns` and the exporters.

docs/adding-column.md describes how to add a kind.
"""

from __future__ import annotations

from typing import ClassVar, Protocol, Self

from handnn.tables.cells import Cells, Floats
from handnn.tables.checks import Entry
from handnn.tables.recipe import ColumnScale
from handnn.tables.steps import ColumnStep


class Column(Protocol):
    """One column as learned from its training rows; equal columns compare equal."""

    kind: ClassVar[str]
    """The name of the kind in `kinds` and in files."""

    @classmethod
    def learn(cls, column: Cells, where: str, *, scale: ColumnScale, is_chosen: bool) -> Self:
        """Learn from the cells of the training rows.

        is_chosen: whether the user chose the kind. Raises ValueError, prefixed with `where`, for
        cells that do not fit the kind.
        """
        ...

    @property
    def has_gaps(self) -> bool:
        """Whether values were missing in training."""
        ...

    def steps(self, *, one_hot: bool) -> tuple[ColumnStep, ...]:
        """Return the preprocessing as data, for exporters; see `handnn.tables.steps`."""
        ...

    def to_dict(self) -> dict[str, object]:
        """Return a JSON object, with the entry "kind", from which `from_dict` builds the column."""
        ...

    @classmethod
    def from_dict(cls, entry: Entry) -> Self:
        """Build the column that `to_dict` describes; ValueError for an invalid description."""
        ...

    def __str__(self) -> str:
        """Return one line for `Columns.summary`."""
        ...


class ValueColumn(Column, Protocol):
    """A column that enters the network as numbers, before all codes of categories.

    A column with gaps has one more input, an indicator of missing values, which `Columns` adds. The
    first input of each column precedes all indicators; its other inputs follow them.
    """

    def names_out(self, name: str) -> list[str]:
        """Return the names of the inputs that `transform` returns, for a column named `name`."""
        ...

    def transform(self, column: Cells, where: str) -> Floats:
        """Return the inputs of N rows, finite float64 (N, n); ValueError for a bad cell."""
        ...
