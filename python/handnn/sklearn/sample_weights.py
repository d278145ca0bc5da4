"""The weight of each row, from sample_weight and class_weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Number
from typing import TypeAlias

import numpy as np
from sklearn.utils import check_array

from handnn.arrays import non_negative_number
from handnn.tables.cells import AnyArray
from handnn.tables.moments import Weights
from handnn.tables.steps import Label

OneClassWeight: TypeAlias = str | Mapping[Label, float]
ClassWeight: TypeAlias = OneClassWeight | Sequence[OneClassWeight] | None


def row_weights(given: object, n_rows: int, name: str) -> Weights:
    """Return sample_weight as float64 (N,), None for None; ValueError if it does not fit."""
    if given is None:
        return None
    if isinstance(given, Number):
        given = np.full(n_rows, given)
    try:
        weight: Weights = check_array(
            given, ensure_2d=False, dtype=np.float64, order="C", input_name="sample_weight"
        )
    except (TypeError, ValueError) as error:
        if "weight" in str(error).lower():
            raise
        raise ValueError(f"{name}: sample_weight must hold numbers: {error}") from None
    found = np.asarray(weight)
    if found.shape != (n_rows,):
        raise ValueError(
            f"{name}: sample_weight must be one number or have shape ({n_rows},), but has "
            f"{found.shape}"
        )
    if (found < 0).any():
        raise ValueError(f"Negative values in data passed to {name}: sample_weight")
    return found


def check_class_weight(given: ClassWeight, name: str) -> None:
    """Raise an error unless class_weight is None, "balanced", a dict, or a list of dicts."""
    if given is None or (isinstance(given, str) and given == "balanced"):
        return
    several = given if isinstance(given, list | tuple) else [given]
    for one in several:
        if not isinstance(one, Mapping):
            kind = ValueError if isinstance(one, str) else TypeError
            raise kind(
                f"{name}: class_weight must be None, 'balanced', a dict from a class to its "
                f"weight, or for several targets a list of these, not {given!r:.80}"
            )
        for label, weight in one.items():
            non_negative_number(weight, f"{name}: class_weight[{label!r}]")


def class_weights(
    given: ClassWeight, y: AnyArray, weight: Weights, name: str, *, all_are_there: bool
) -> Weights:
    """Return `weight` times the weight of each row's class, (N,).

    y: (N,), or (N, Y) for several targets, whose factors are multiplied. "balanced" is the sum of
    all weights, divided by that of the row's class and by the number of classes. all_are_there:
    whether y has all classes; if so, a dict with a class absent from y is an error, unless it also
    has all classes of y.
    """
    if given is None:
        return weight
    columns = [y] if y.ndim == 1 else list(y.T)
    several = _per_column(given, y, name)
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
                    f"{name}: class_weight has {odd[0]!r}, but the classes of y are {known!s:.80}"
                )
            factors = np.array([float(chosen.get(label, 1)) for label in known])
        found *= factors[place]
    return found


def _per_column(given: ClassWeight, y: AnyArray, name: str) -> Sequence[OneClassWeight]:
    """Return the class_weight of each column of y; ValueError for another number of them."""
    if isinstance(given, str):
        return [given] * (1 if y.ndim == 1 else y.shape[1])
    if y.ndim == 1:
        if not isinstance(given, Mapping):
            raise ValueError(f"{name}: class_weight must be one dict where y is (N,), not a list")
        return [given]
    if given is None or isinstance(given, Mapping) or len(given) != y.shape[1]:
        raise ValueError(
            f"{name}: class_weight must be 'balanced' or a list of {y.shape[1]} dicts, one for "
            "each column of y"
        )
    return given
