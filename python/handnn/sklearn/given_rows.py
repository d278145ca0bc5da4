"""The rows passed to `fit`, with their targets, weights and groups, which are selected together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from handnn.sklearn.frames import TableRows, select
from handnn.tables.cells import AnyArray, Mask
from handnn.tables.moments import Weights
from handnn.tables.separation import INDEPENDENT, Separation


class GivenRows(NamedTuple):
    """N rows of X, validated, with their targets; without weights, each counts once."""

    x: TableRows
    y: AnyArray
    weight: Weights = None
    separation: Separation = INDEPENDENT

    def select(self, chosen: Mask) -> GivenRows:
        """Return the chosen rows (a mask)."""
        weight = None if self.weight is None else self.weight[chosen]
        return GivenRows(
            select(self.x, chosen), self.y[chosen], weight, self.separation.select(chosen)
        )

    def without_zeros(self) -> GivenRows:
        """Drop the rows of weight 0, which count as absent; ValueError if all are."""
        if self.weight is None:
            return self
        chosen = self.weight > 0
        if not chosen.any():
            raise ValueError("sample_weight must have at least one number that is not zero")
        return self if chosen.all() else self.select(chosen)


def separation_of(groups: object, n_rows: int, name: str) -> Separation:
    """Return the Separation of the argument `groups` of fit: None, or a label for each row."""
    if groups is None:
        return INDEPENDENT
    labels: AnyArray = np.asarray(groups)
    if labels.shape != (n_rows,):
        raise ValueError(f"{name}: groups must have shape ({n_rows},), but has {labels.shape}")
    if labels.dtype == object:
        labels = labels.astype(str)
    try:
        return Separation.of_groups(labels)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
