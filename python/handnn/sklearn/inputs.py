"""Inputs: what X becomes for a network, learnt from the training rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import Array
from handnn.layers import Brick
from handnn.tables import Columns

Weights = NDArray[np.float64] | None


class Numbers:
    """Numbers without gaps in training: ``(x - mean)·(1 / scale)``, or x as it is.

    A gap, NaN, that comes later counts as the mean. mean and scale are float64 (I,), weighted by
    the rows' weights; scale is 1 where all values are the same.
    """

    def __init__(self, x: Array, weight: Weights, is_scaled: bool) -> None:
        self.n_in = self.n_after = x.shape[1]
        self.is_scaled = is_scaled
        self.mean = np.average(x.astype(np.float64, copy=False), axis=0, weights=weight)
        self.scale = deviations(x, self.mean, weight) if is_scaled else np.ones(self.n_in)
        self._inverse = 1 / self.scale

    def transform(self, x: Array, dtype: Any) -> Array:
        """Return x, float32 or float64 (N, I), as the network takes it, in `dtype`."""
        if not self.is_scaled:
            return np.ascontiguousarray(x, dtype)
        scaled = x - self.mean
        scaled *= self._inverse
        return scaled.astype(dtype, order="C", copy=False)

    def fill(self, x: Array) -> Array:
        """Return x with the means in its gaps."""
        return np.where(np.isnan(x), self.mean, x).astype(x.dtype)

    def first_layers(self, rng: np.random.Generator, dtype: str) -> list[Brick]:
        """Return no bricks: numbers need none."""
        return []


Inputs = Numbers | Columns


def deviations(x: Array, mean: NDArray[np.float64], weight: Weights) -> NDArray[np.float64]:
    """Return the standard deviation of each column, 1 where it is only rounding, or 0."""
    variance = np.zeros(x.shape[1])
    for first in range(0, x.shape[1], 64):  # so that only so many columns are copied at a time
        part = slice(first, first + 64)
        variance[part] = np.average((x[:, part] - mean[part]) ** 2, axis=0, weights=weight)
    deviation = np.sqrt(variance)
    is_constant = deviation <= 10 * np.finfo(x.dtype).eps * np.abs(mean)
    return np.where(is_constant | (deviation == 0), 1.0, deviation)


def needs_columns(X: Any) -> bool:
    """Return whether X holds text or categories, which an array of numbers could not."""
    if hasattr(X, "dtypes") and hasattr(X, "columns"):  # a frame of pandas or polars
        return any(not _is_number(dtype) for dtype in X.dtypes)
    if isinstance(X, list | tuple):
        try:
            X = np.asarray(X)
        except ValueError:
            return False  # rows of different lengths: scikit-learn says so
    kind = getattr(getattr(X, "dtype", None), "kind", "")
    if getattr(X, "ndim", 0) != 2 or kind not in tuple("OUS"):
        return False
    try:
        np.asarray(X, np.float64)
    except ValueError:
        return True
    except TypeError:
        return False
    return False


def _is_number(dtype: Any) -> bool:
    if hasattr(dtype, "is_numeric"):  # of polars
        return bool(dtype.is_numeric())
    return getattr(dtype, "kind", "O") in tuple("iufbc") and str(dtype) != "category"
