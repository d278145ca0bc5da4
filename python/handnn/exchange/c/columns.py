"""The preprocessing of a table as steps on a row of C: one function for each type of step.

The row holds the plain columns, then the encoded ones (see `InputRow`); text arrives as codes. All
columns are filled by one `Fill` and standardized by one `Scale`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from handnn.exchange.c.steps import Bins, Cycles, Fill, Interpolate, LookUp, OneHot, RowStep, Scale
from handnn.exchange.input_row import InputRow, as_floats
from handnn.tables.steps import (
    AddBins,
    AddCycles,
    ColumnStep,
    Impute,
    OneHotEncode,
    OrdinalEncode,
    PiecewiseLinear,
    Standardize,
)


def row_steps(row: InputRow, dtype: np.dtype[np.floating]) -> list[RowStep]:
    """Return the steps that compute what `Columns.transform` computes, for rows of a dtype.

    Here the codes precede the indicators; in `Columns.transform` they follow them.
    """
    columns = row.columns
    collected = Collected(len(columns), n_plain=len(row.plain))
    for place, column in enumerate(columns):
        for step in column.steps:
            COLLECT[type(step)](collected, place, step)
    return collected.row_steps(dtype)


class Collected:
    """The steps of all columns, gathered by type. `fill`, `mean`, `scale`: one for each column."""

    def __init__(self, n_columns: int, n_plain: int) -> None:
        self.n_columns = n_columns
        self.n_plain = n_plain
        self.fill = np.full(n_columns, np.nan)
        self.indicators: list[int] = []
        self.more: list[RowStep] = []
        self.changes: list[RowStep] = []
        self.mean = np.zeros(n_columns)
        self.scale = np.ones(n_columns)
        self.one_hots: list[RowStep] = []

    def row_steps(self, dtype: np.dtype[np.floating]) -> list[RowStep]:
        """Return the steps in the order in which they are applied.

        In float32 the mean is subtracted in two parts that together have twice the digits, so the
        difference is as accurate as x.
        """
        steps: list[RowStep] = [Fill(self.fill, self.indicators), *self.more, *self.changes]
        made = self.n_columns
        for step in steps:
            made = step.columns(made)
        n_more = made - self.n_columns
        mean = np.append(self.mean, np.zeros(n_more))
        scale = np.append(self.scale, np.ones(n_more))
        if mean.any() or (scale != 1).any():
            high = mean.astype(dtype).astype(np.float64)
            if (mean != high).any():
                steps.append(Scale(high, 1))
                mean = mean - high
            steps.append(Scale(mean, scale))
        return [*steps, *self.one_hots]


def _impute(collected: Collected, place: int, step: Impute) -> None:
    collected.fill[place] = step.median
    if step.has_indicator:
        collected.indicators.append(place)


def _add_cycles(collected: Collected, place: int, step: AddCycles) -> None:
    collected.more.append(Cycles(step.periods, place))


def _add_bins(collected: Collected, place: int, step: AddBins) -> None:
    collected.more.append(Bins(step.edges, place))


def _piecewise_linear(collected: Collected, place: int, step: PiecewiseLinear) -> None:
    collected.changes.append(Interpolate(step.knots, step.levels, place))


def _standardize(collected: Collected, place: int, step: Standardize) -> None:
    collected.mean[place], collected.scale[place] = step.mean, step.scale


def _ordinal_encode(collected: Collected, place: int, step: OrdinalEncode) -> None:
    if step.is_text:  # model_code has replaced all but missing values
        collected.fill[place] = len(step.labels)
    else:
        collected.changes.append(LookUp(as_floats(step.labels), place))


def _one_hot_encode(collected: Collected, place: int, step: OneHotEncode) -> None:
    # Each OneHot removes its column, so the next column of codes always has this index.
    collected.one_hots.append(OneHot(step.n_columns, collected.n_plain))


COLLECT: Mapping[type[ColumnStep], Callable[[Collected, int, Any], None]] = {
    AddBins: _add_bins,
    AddCycles: _add_cycles,
    Impute: _impute,
    OneHotEncode: _one_hot_encode,
    OrdinalEncode: _ordinal_encode,
    PiecewiseLinear: _piecewise_linear,
    Standardize: _standardize,
}
"""The function that collects each type of step."""
