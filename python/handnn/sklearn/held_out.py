"""Held-out rows: those that `early_stopping` takes from the training rows, or `validation_data`.

Neither scales nor categories are learned from them; they only measure the progress of training.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_is_fitted

from handnn.arrays import Array
from handnn.sklearn.given_rows import GivenRows
from handnn.sklearn.sample_weights import row_weights
from handnn.tables.cells import AnyArray, Mask
from handnn.tables.intervals import HeldOutErrors
from handnn.tables.moments import Weights


class HasErrors(Protocol):
    """An estimator that keeps the errors of its bag."""

    _held_out: HeldOutErrors | None


class EncodedRows(NamedTuple):
    """Rows encoded for training: network input, targets and weights."""

    x: Array
    y: Array
    weight: Weights


def choose_held_out(
    given: GivenRows, share: float, strata: AnyArray | None, rng: np.random.Generator
) -> Mask:
    """Return a mask (N,) of the rows to hold out: the same share of each stratum, or whole groups.

    Raises ValueError if fewer than two or all rows are held out, or a stratum has a single row.
    """
    n_rows = len(given.y)
    count = math.ceil(share * n_rows)
    too_small = ValueError(
        "The validation set is too small. Increase 'validation_fraction' or the size of "
        "your dataset."
    )
    if count == 0:
        raise too_small
    if count >= n_rows:
        raise ValueError(f"validation_fraction={share} leaves none of {n_rows} rows to train on")
    if not given.separation.is_independent:
        codes = None if strata is None else np.unique(strata, return_inverse=True)[1]
        return given.separation.held_out(share, codes, rng)
    if strata is not None:  # worded as in scikit-learn's error
        is_binary = np.array_equal(np.unique(strata), [0, 1])
        strata = (strata.astype(bool) if is_binary else strata).astype(str)
    _, held = train_test_split(
        np.arange(n_rows), test_size=share, stratify=strata, random_state=int(rng.integers(2**31))
    )
    if count < 2:  # like scikit-learn's error for a class with one row
        raise too_small
    chosen = np.zeros(n_rows, bool)
    chosen[held] = True
    return chosen


def validation_rows(
    name: str,
    given: object,
    transform: Callable[[object], Array],
    encode: Callable[[object], Array],
) -> EncodedRows:
    """Validate and encode the `validation_data` of fit.

    name: that of the estimator. transform, encode: the functions for X and for y. Raises TypeError
    or ValueError, which name the argument, if the rows do not fit those of training.
    """
    name = f"{name}.fit: validation_data"
    if not (isinstance(given, tuple | list) and len(given) in (2, 3)):
        raise TypeError(f"{name} must be (X, y) or (X, y, sample_weight)")
    X, y, *weight = given
    try:
        x, encoded = transform(X), encode(y)
        if len(x) != len(encoded):
            raise ValueError(f"there are {len(x)} rows of X but {len(encoded)} of y")
        weights = row_weights(weight[0] if weight else None, len(encoded), "weights")
        kept = GivenRows(x, encoded, weights).without_zeros()
        return EncodedRows(np.asarray(kept.x), kept.y, kept.weight)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def held_out_errors(estimator: HasErrors, method: str) -> tuple[HeldOutErrors, str]:
    """Return the errors on held-out rows, and the name of a method; ValueError without them."""
    check_is_fitted(estimator, "networks_")
    where = f"{type(estimator).__name__}.{method}"
    errors = estimator._held_out
    if errors is None:
        raise ValueError(
            f"{where} needs a bag, which has held-out rows: at least 32 rows to learn from, "
            "early_stopping='auto', no validation_data, and one target of classes"
        )
    return errors, where
