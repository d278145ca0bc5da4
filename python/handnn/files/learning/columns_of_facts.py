"""Columns and target from facts about all training rows, instead of from the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal

import numpy as np

from handnn.files.errors import Option, Remedy, TableError
from handnn.files.learning.facts import TrainingFacts
from handnn.files.learning.settings import Gaps
from handnn.files.learning.survey import Survey
from handnn.tables import CategoryColumn, Columns, NumberColumn, Target
from handnn.tables.cells import category_text, sorted_labels
from handnn.tables.column import Column
from handnn.tables.date import DateColumn, cycles_of
from handnn.tables.number import normal_levels
from handnn.tables.objective import POISSON, SQUARED
from handnn.tables.recipe import ColumnScale, default_scale
from handnn.tables.steps import Label


def columns_of(survey: Survey, gaps: Gaps) -> Columns:
    """Return the result of `Columns.learn`, with quantiles from a sample."""
    scale = default_scale(len(survey.kinds))
    columns: list[Column] = []
    for name, kind in survey.kinds.items():
        training = survey.facts[name].training
        labels = count_labels(training.labels)
        if not (labels if kind == "category" else training.moments.n):
            raise TableError(
                f"{survey.source.path}: column {name!r} has no value in the training rows",
                Remedy(Option.IGNORE, (name,)),
            )
        if kind == "number":
            columns.append(number_column(training, scale))
        elif kind == "date":
            columns.append(date_column(training, scale))
        else:
            names = tuple(sorted_labels(labels))
            counts = tuple(labels[label] for label in names)
            columns.append(CategoryColumn(names, counts, training.n_gaps > 0))
    return Columns(columns, survey.kinds, gaps=gaps)


def count_labels(counts: Mapping[Label, int]) -> dict[Label, int]:
    """Return the count of each category, under its most frequent spelling."""
    totals: Counter[str] = Counter()
    written: dict[str, Label] = {}
    for label, count in sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0]))):
        text = category_text(label)
        totals[text] += count
        written.setdefault(text, _builtin(label))
    return {written[text]: count for text, count in totals.items()}


def _builtin(label: object) -> Label:
    """Return a label as a string, a bool or a number."""
    if isinstance(label, str | int):
        return label
    if isinstance(label, float):
        return int(label) if label.is_integer() else label
    if isinstance(label, Decimal):
        return int(label) if label == label.to_integral_value() else float(label)
    return category_text(label)


def date_column(training: TrainingFacts, scale: ColumnScale) -> DateColumn:
    """Return the result of `DateColumn.learn`."""
    days = training.sample
    return DateColumn(number_column(training, scale), cycles_of(days))


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


def target_of(survey: Survey, objective: str = SQUARED) -> Target:
    """Return the result of `Target.learn`."""
    fact, task = survey.target, survey.task
    if task != "regression":
        if not fact.is_counted:
            raise TableError(f"the target {fact.name!r} has too many distinct values for classes")
        labels = [*count_labels(fact.labels)]
        if survey.has_numeric_target:
            labels = sorted(map(int if fact.is_whole else float, labels))
        return Target.learn(labels, task, gaps=())
    if not fact.training.moments.n:
        raise TableError(f"the target {fact.name!r} has no value in the training rows")
    column = number_column(fact.training, True)
    mean, scale = column.mean, column.scale
    if objective == POISSON:
        if not mean > 0:
            raise TableError(f"the target {fact.name!r} is 0 in all training rows")
        mean, scale = 0.0, mean
    return Target("regression", mean=[mean], scale=[scale], objective=objective)
