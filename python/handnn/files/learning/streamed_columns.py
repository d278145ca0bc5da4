"""Columns and target of a streamed file, from facts instead of rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from handnn.files.errors import Option, Remedy, TableError
from handnn.files.learning.facts import TrainingFacts
from handnn.files.learning.settings import TrainingSettings
from handnn.files.learning.survey import Survey
from handnn.files.reading.values import BOOLS
from handnn.tables import CategoryColumn, Columns, NumberColumn, Target
from handnn.tables.number import normal_levels
from handnn.tables.recipe import ColumnScale, default_scale


def columns_of(survey: Survey) -> Columns:
    """Return the result of `Columns.learn`, with quantiles from a sample."""
    scale = default_scale(len(survey.kinds))
    columns: list[NumberColumn | CategoryColumn] = []
    for name, kind in survey.kinds.items():
        training = survey.facts[name].training
        labels = count_labels(training.labels)
        if not (training.moments.n if kind == "number" else labels):
            raise TableError(
                f"{survey.source.path}: column {name!r} has no value in the training rows",
                Remedy(Option.IGNORE, (name,)),
            )
        if kind == "number":
            columns.append(number_column(training, scale))
        else:
            names = tuple(sorted(labels))
            counts = tuple(labels[label] for label in names)
            columns.append(CategoryColumn(names, counts, training.n_gaps > 0))
    return Columns(columns, survey.kinds)


def count_labels(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the categories of a column as `typed` spells them, and how often each occurs."""
    found: dict[str, int] = {}
    for label, count in counts.items():
        label = BOOLS.get(label, label)
        found[label] = found.get(label, 0) + count
    return found


def number_column(training: TrainingFacts, scale: ColumnScale) -> NumberColumn:
    """Return the result of `NumberColumn.learn`; mean and deviation include filled gaps."""
    median = filled = float(np.median(training.sample))
    moments = training.moments
    n_numbers, mean, square = moments.n, moments.mean, moments.square
    knots, levels = normal_levels(training.sample) if scale == "quantile" else ((), ())
    if knots:
        values = np.interp(training.sample, knots, levels)
        filled = float(np.interp(median, knots, levels))
        mean, square = float(values.mean()), float(values.var()) * n_numbers
    n_rows = n_numbers + training.n_gaps
    mean_of_all = (n_numbers * mean + training.n_gaps * filled) / n_rows
    shift, gap_shift = mean - mean_of_all, filled - mean_of_all
    square += n_numbers * shift**2 + training.n_gaps * gap_shift**2
    deviation = float(np.sqrt(square / n_rows)) or 1.0
    return NumberColumn(median, mean_of_all, deviation, training.n_gaps > 0, False, knots, levels)


def target_of(survey: Survey, settings: TrainingSettings) -> Target:
    """Return the result of `Target.learn`."""
    fact, task = survey.target, settings.task
    if survey.target_kind == "category":
        return Target.learn(np.array([*count_labels(fact.labels)] * 2, object), task)
    has_classes = task in ("binary", "multiclass")
    if task == "auto" and fact.is_whole and fact.is_counted:
        values = np.array([int(label) for label in fact.labels] * 2)
        found = Target.learn(values, "auto") if len(fact.labels) * 2 <= fact.n_values else None
        if found is not None and found.task != "regression":
            return found
    if has_classes:
        if not fact.is_counted:
            raise TableError(f"the target {fact.name!r} has too many distinct numbers for classes")
        read = int if fact.is_whole else float
        return Target.learn(np.array([read(label) for label in fact.labels]), task)
    if not fact.training.moments.n:
        raise TableError(f"the target {fact.name!r} has no value in the training rows")
    column = number_column(fact.training, True)
    return Target("regression", mean=[column.mean], scale=[column.scale])
