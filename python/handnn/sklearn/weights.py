"""Weights: how much each row counts, from sample_weight and class_weight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _check_sample_weight

from handnn.arrays import non_negative_number
from handnn.sklearn.inputs import Weights
from handnn.sklearn.reading import select


def row_weights(given: Any, y: Any, name: str) -> Weights:
    """Return sample_weight as float64 (N,), None for None; ValueError when it is none for y."""
    if given is None:
        return None
    try:
        found = _check_sample_weight(given, y, dtype=np.float64, ensure_non_negative=True)
    except (TypeError, ValueError) as error:
        if "weight" in str(error).lower():
            raise
        raise ValueError(f"{name}: sample_weight must hold numbers: {error}") from None
    return np.asarray(found)


def without_zeros(rows: Any, y: Any, weight: Weights) -> tuple[Any, Any, Weights]:
    """Leave out rows of weight 0, which are as if they were not there."""
    if weight is None:
        return rows, y, None
    chosen = weight > 0
    if not chosen.any():
        raise ValueError("sample_weight must have at least one number that is not zero")
    if not chosen.all():
        rows, y, weight = select(rows, chosen), y[chosen], weight[chosen]
    return rows, y, weight


def check_class_weight(given: Any, name: str) -> None:
    """Raise TypeError or ValueError unless it is None, "balanced", a dict, or a list of dicts."""
    if given is None or (isinstance(given, str) and given == "balanced"):
        return
    several = given if isinstance(given, list | tuple) else [given]
    for one in several:
        if not isinstance(one, Mapping):
            kind = ValueError if isinstance(one, str) else TypeError
            raise kind(
                f"{name}: class_weight must be None, 'balanced', a dict from a class to its "
                f"weight, or for several questions a list of these, not {given!r:.80}"
            )
        for label, weight in one.items():
            non_negative_number(weight, f"{name}: class_weight[{label!r}]")


def class_weights(
    given: Any, y: NDArray[Any], weight: Weights, name: str, *, all_are_there: bool
) -> Weights:
    """Return `weight` times the weight of each row's class, (N,).

    y (N,), or (N, Y) for several questions, whose factors are multiplied. "balanced" is the sum of
    all weights, divided by that of the row's class and by the number of classes. all_are_there:
    whether y has all classes, so that a dict with others is wrong, unless it has all of y's too.
    """
    if given is None:
        return weight
    columns = [y] if y.ndim == 1 else list(y.T)
    several = [given] * len(columns) if isinstance(given, str) or y.ndim == 1 else given
    if y.ndim == 2 and (isinstance(several, Mapping) or len(several) != len(columns)):
        raise ValueError(
            f"{name}: class_weight must be 'balanced' or a list of {len(columns)} dicts, one for "
            "each column of y"
        )
    if y.ndim == 1 and isinstance(given, list | tuple):
        raise ValueError(f"{name}: class_weight must be one dict where y is (N,), not a list")
    found = np.ones(len(y)) if weight is None else weight.copy()
    for column, chosen in zip(columns, several, strict=True):
        labels, place = np.unique(column, return_inverse=True)
        place = place.ravel()
        if isinstance(chosen, str):
            sums = np.bincount(place, weight)
            factors = sums.sum() / (len(labels) * sums)
        else:
            known = labels.tolist()
            odd = [label for label in chosen if label not in known]
            if all_are_there and odd and any(label not in chosen for label in known):
                raise ValueError(
                    f"{name}: class_weight has {odd[0]!r}, which is no class of y: {known!s:.80}"
                )
            factors = np.array([float(chosen.get(label, 1)) for label in known])
        found *= factors[place]
    return found
