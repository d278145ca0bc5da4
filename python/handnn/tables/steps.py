"""Preprocessing steps: how a column becomes the input of a network, as data.

Every kind of column returns its preprocessing as a short sequence of the steps in this module
(`NumberColumn.steps`, `CategoryColumn.steps`). An exporter has one interpreter for each type of
step and does not know the kinds of columns.

A column enters as one value per row: a number, NaN where it is missing, or a label. Its steps apply
in order. A column that is encoded (`OrdinalEncode`) follows all others in the network's input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

Label = str | bool | int | float


@dataclass(frozen=True)
class Impute:
    """Replace missing values: ``out = median where x is NaN, else x``.

    With `has_indicator`, the network has another input that is 1 where x is missing, else 0.
    """

    median: float
    has_indicator: bool


@dataclass(frozen=True)
class AddCycles:
    """Add two inputs for each period: ``sin(2π·x / period)`` and ``cos(2π·x / period)``.

    x itself is unchanged for the steps that follow. The new inputs follow the indicators of missing
    values, in the order of the columns.
    """

    periods: tuple[float, ...]


@dataclass(frozen=True)
class AddBins:
    """Add an input for each pair of neighboring edges: see `tables.bins.bins`.

        clip((x - low) / (high - low), 0, 1) - 1/2

    edges (B + 1,) ascend strictly. x itself is unchanged for the steps that follow. The new inputs
    are placed like those of `AddCycles`.
    """

    edges: Sequence[float]


@dataclass(frozen=True)
class PiecewiseLinear:
    """Apply a piecewise linear function: ``out = np.interp(x, knots, levels)``.

    knots (K,) ascend strictly; beyond them the output is constant. K ≥ 1.
    """

    knots: Sequence[float]
    levels: Sequence[float]


@dataclass(frozen=True)
class Standardize:
    """Shift and scale: ``out = (x - mean) / scale``, scale > 0."""

    mean: float
    scale: float


@dataclass(frozen=True)
class OrdinalEncode:
    """Replace a label by its code: k for ``labels[k]``, K if missing, K + 1 for any other.

    labels (K,): all str, all bool, or all numbers. Without a `OneHotEncode` after it, the code is
    an input of the network, whose Embedding looks it up.
    """

    labels: Sequence[Label]
    written: tuple[str, ...] = ()
    """The labels as they are written, if `labels` are their category strings; for exporters."""

    @property
    def is_text(self) -> bool:
        """Whether the labels are text; else they are numbers or bools."""
        return isinstance(self.labels[0], str)

    @property
    def n_codes(self) -> int:
        """K + 2."""
        return len(self.labels) + 2


@dataclass(frozen=True)
class OneHotEncode:
    """Replace a code by `n_columns` columns: column k is 1 for code k, else 0.

    All columns are 0 for a code of `n_columns` or more.
    """

    n_columns: int


ColumnStep = (
    Impute | AddCycles | AddBins | PiecewiseLinear | Standardize | OrdinalEncode | OneHotEncode
)

StepT = TypeVar("StepT", bound=ColumnStep)


def find(steps: Sequence[ColumnStep], kind: type[StepT]) -> StepT | None:
    """Return the first step of the given type, or None."""
    for step in steps:
        if isinstance(step, kind):
            return step
    return None
