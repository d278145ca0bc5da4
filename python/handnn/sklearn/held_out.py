"""Held-out rows: those that `early_stopping` takes from the training rows, or that a caller gives.

Nothing is learnt from them, no scale and no category: they only say how well training goes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import _check_y

from handnn.arrays import Array
from handnn.sklearn.inputs import Weights
from handnn.sklearn.reading import transform
from handnn.sklearn.weights import row_weights, without_zeros

Rows = tuple[Array, Array, Weights]
"""x and y as a network takes them, and the weights."""


def choose_held_out(
    rows: int, share: float, strata: NDArray[Any] | None, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return which rows to hold out, (rows,), of each stratum its share.

    Raises ValueError when these are fewer than two, or all, or a stratum has one row alone.
    """
    count = math.ceil(share * rows)
    if count < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' or the size of "
            "your dataset."
        )
    if count >= rows:
        raise ValueError(f"validation_fraction={share} leaves none of {rows} rows to train on")
    _, held = train_test_split(
        np.arange(rows), test_size=share, stratify=strata, random_state=int(rng.integers(2**31))
    )
    chosen = np.zeros(rows, bool)
    chosen[held] = True
    return chosen


def validation_rows(estimator: Any, given: Any) -> Rows:
    """Return the `validation_data` of fit as the networks take them.

    Raises TypeError or ValueError, both with the name of the argument, when they are no rows like
    those in training.
    """
    name = f"{type(estimator).__name__}.fit: validation_data"
    if not (isinstance(given, tuple | list) and len(given) in (2, 3)):
        raise TypeError(f"{name} must be (X, y) or (X, y, sample_weight)")
    X, y, *weight = given
    try:
        x = transform(estimator, X, estimator._dtype)
        y = _check_y(y, multi_output=True, y_numeric=estimator._y_is_numeric, estimator=estimator)
        y = estimator._encode(estimator._check_targets(y))
        if len(x) != len(y):
            raise ValueError(f"there are {len(x)} rows of X but {len(y)} of y")
        return without_zeros(x, y, row_weights(weight[0] if weight else None, y, "weights"))
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
