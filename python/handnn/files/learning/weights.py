"""Weights of the training rows: from a column of the file, and by the sizes of the classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handnn.files.errors import TableError
from handnn.files.learning.facts import ColumnFacts
from handnn.files.learning.settings import TrainingSettings
from handnn.files.learning.split import LabeledRows
from handnn.files.reading.source import Source

Weights = NDArray[np.float64]


def check_weights(fact: ColumnFacts, source: Source) -> None:
    """Raise TableError unless a column holds a weight for each row: a number of 0 or more."""
    name = f"{source.path}: the weights {fact.name!r}"
    if fact.dtype or fact.kind != "number" or fact.n_too_large:
        raise TableError(f"{name} must all be numbers")
    if fact.n_gaps:
        raise TableError(f"{name} have no value in {source.place} {fact.first_gap:,}")
    if fact.minimum < 0 or fact.maximum <= 0:
        raise TableError(f"{name} must be 0 or more, and some above 0")


def weights_of(rows: LabeledRows, settings: TrainingSettings, task: str) -> Weights | None:
    """Return the weights of rows; None if all count once.

    With the class weight "balanced", each class has the same sum of weights.
    """
    weights = None
    if settings.weight:
        weights = rows.x.get_column(settings.weight).to_numpy().astype(np.float64)
    if settings.class_weight:
        if task not in ("binary", "multiclass"):
            raise TableError(f"the target {settings.target!r} has no classes to be weighted")
        assert not hasattr(rows.y, "columns")
        places = rows.y.rank("dense").to_numpy().astype(np.int64) - 1
        totals = np.bincount(places, weights)
        if not totals.all():
            raise TableError("a class has the weight 0 in all training rows")
        balanced = totals.sum() / (len(totals) * totals)
        weights = balanced[places] * (1 if weights is None else weights)
    return weights
