"""Partial dependence: the mean prediction when one column has the same value in every row."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from handnn import charts
from handnn.files.report.row_losses import Values
from handnn.files.report.table_scores import answers_of
from handnn.tables import CategoryColumn, NumberColumn, TableModel

if TYPE_CHECKING:
    from polars import DataFrame, Series

MAX_COLUMNS = 4
"""The largest number of columns, the most important ones."""

MAX_ROWS = 200
"""The largest number of rows that the prediction is averaged over."""

N_VALUES = 15
"""The largest number of values of a numeric column, at its quantiles."""

MAX_LABELS = 8
"""The largest number of categories, the most frequent ones."""

MAX_CURVES = 3
"""The largest number of classes."""


def dependence_section(model: TableModel, rows: DataFrame, names: Iterable[str]) -> str:
    """Return HTML with the partial dependence on the first of these columns.

    It is the mean of the predictions, or of the probabilities of classes, over up to 200 held-out
    rows. (Friedman 2001, "Greedy Function Approximation", section 8.2.)
    """
    sample = rows[np.linspace(0, len(rows) - 1, min(MAX_ROWS, len(rows))).astype(int)]
    kinds = dict(zip(model.columns.feature_names_in or (), model.columns.columns, strict=True))
    drawn = []
    for name in list(names)[:MAX_COLUMNS]:
        column = kinds.get(name)
        if isinstance(column, NumberColumn) and rows[name].dtype.is_numeric():
            drawn.append(_curve(model, rows, sample, name))
        elif isinstance(column, CategoryColumn):
            drawn.append(_bars(model, rows, sample, name))
    text = (
        "The mean prediction when the column has the given value in every row. It describes the "
        "model, not causes, and is misleading where columns depend on each other."
    )
    if model.target.classes is not None and len(model.target.classes) > MAX_CURVES:
        text += f" The curves show the first {MAX_CURVES} of {len(model.target.classes)} classes."
    return f'<p>{text}</p><div class="half">{"".join(drawn)}</div>'


def _curve(model: TableModel, rows: DataFrame, sample: DataFrame, name: str) -> str:
    known = _column(rows, name).drop_nulls().to_numpy()
    known = known[np.isfinite(known)]
    if len(known) == 0:
        return ""
    quantiles = np.quantile(known, np.linspace(0, 1, N_VALUES))
    if rows[name].dtype.is_integer():
        quantiles = np.rint(quantiles).astype(np.int64)
    values = np.unique(quantiles).tolist()
    if len(values) < 2:
        return ""
    shown = _shown(model)
    means = np.array([_mean(model, sample, name, value) for value in values])[:, list(shown)]
    axes = charts.Axes(
        (float(values[0]), float(values[-1])),
        (float(means.min()), float(means.max())),
        (f"{name:.40}", _what(shown)),
    )
    for curve, color in zip(means.T.tolist(), charts.COLORS, strict=False):
        axes.curve(zip(values, curve, strict=True), color, width=2.5)
    if len(shown) > 1:
        axes.label(dict(zip(shown.values(), charts.COLORS, strict=False)))
    return _titled(name, axes.svg(f"The {_what(shown)} over {name}"))


def _bars(model: TableModel, rows: DataFrame, sample: DataFrame, name: str) -> str:
    counts = _column(rows, name).drop_nulls().value_counts(sort=True, name="n_rows")
    values = counts[counts.columns[0]].to_list()[:MAX_LABELS]
    place, label = next(iter(_shown(model).items()))
    means = {f"{v!s:.60}": float(_mean(model, sample, name, v)[place]) for v in values}
    what = _what({place: label})
    return _titled(f"{name}: {what}", charts.bars(means, f"The {what} over {name}"))


def _column(rows: DataFrame, name: str) -> Series:
    """Return a column under another name: one such as ^x$ is a pattern in polars."""
    return rows.get_column(name).alias("cell")


def _titled(title: str, picture: str) -> str:
    return f"<div><h3>{escape(title)}</h3>{picture}</div>"


def _mean(model: TableModel, sample: DataFrame, name: str, value: object) -> Values:
    """Return the mean answer, one entry for each class or a single one."""
    import polars as pl

    changed = sample.with_columns(pl.lit(value, sample[name].dtype).alias(name))
    answers = answers_of(model, changed)
    return np.asarray(answers.reshape(len(sample), -1).mean(axis=0))


def _shown(model: TableModel) -> dict[int, str]:
    """Return the entries of answers to show, each with the label of its class."""
    classes = model.target.classes
    if classes is None:
        return {0: ""}
    labels = [f"{label!s:.30}" for label in classes.tolist()]
    return {1: labels[1]} if len(labels) == 2 else dict(enumerate(labels[:MAX_CURVES]))


def _what(shown: dict[int, str]) -> str:
    label, *others = shown.values()
    if not label:
        return "mean prediction"
    return "mean probability" if others else f"mean probability of {label:.20}"
