"""Inputs: what X becomes for a network, learnt from the training rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import Array
from handnn.layers import Brick
from handnn.sklearn.curves import Curves
from handnn.tables import Columns
from handnn.tables.cells import MISSING_TYPES

FARTHEST = 10
"""What a value that nearly no other row has, as a pixel at the edge of an image, may become."""

ROWS, CELLS = 8192, 2**22
"""How many rows, or how many cells of some columns, are worked on at a time.

So little more memory is taken than X and what it becomes.
"""

Weights = NDArray[np.float64] | None


class Numbers:
    """Numbers without gaps in training: ``(f(x) - mean)·(1 / scale)``, or x as it is.

    f(x) is x for scaling="standard", and of `Curves` for "quantile"; "none" leaves x alone. mean
    and scale are float64 (I,), weighted by the rows' weights: the deviation, more where a value of
    the training rows would else be farther than 10 from 0, and 1 where all values are the same.
    """

    def __init__(self, x: Array, weight: Weights, scaling: str) -> None:
        self.n_in = self.n_after = x.shape[1]
        self.scaling = scaling
        self.curves = Curves(x, weight) if scaling == "quantile" else None
        self.mean, self.scale = np.zeros(self.n_in), np.ones(self.n_in)
        columns = max(1, CELLS // len(x))
        for first in range(0, self.n_in, columns):
            part = slice(first, first + columns)
            bent = x[:, part] if self.curves is None else self.curves.of_columns(x, part)
            mean = self.mean[part] = means(bent, weight)
            if scaling != "none":
                farthest = np.maximum(bent.max(axis=0) - mean, mean - bent.min(axis=0))
                self.scale[part] = np.maximum(deviations(bent, mean, weight), farthest / FARTHEST)
        if scaling != "none":
            check_scale(self.mean, self.scale, "X")
        self.center = self.mean if self.curves is None else self.curves.center
        self._inverse = 1 / self.scale

    def transform(self, x: Array, dtype: Any) -> Array:
        """Return x, float32 or float64 (N, I), as the network takes it, in `dtype`."""
        if self.scaling == "none":
            return np.ascontiguousarray(x, dtype)
        if len(x) <= ROWS:
            scaled = (x if self.curves is None else self.curves(x)) - self.mean
            scaled *= self._inverse
            return scaled.astype(dtype, order="C", copy=False)
        out = np.empty(x.shape, dtype)
        for first in range(0, len(x), ROWS):
            part = slice(first, first + ROWS)
            out[part] = self.transform(x[part], dtype)
        return out

    def fill(self, x: Array) -> Array:
        """Return x with the means in its gaps, or with "quantile" the medians."""
        return np.where(np.isnan(x), self.center, x).astype(x.dtype)

    def first_layers(self, rng: np.random.Generator, dtype: str) -> list[Brick]:
        """Return no bricks: numbers need none."""
        return []


Inputs = Numbers | Columns


def means(x: Array, weight: Weights) -> NDArray[np.float64]:
    """Return the mean of each column, summed in float64."""
    with np.errstate(over="ignore", invalid="ignore"):  # see `check_scale`
        if weight is None:
            return np.asarray(x.mean(axis=0, dtype=np.float64))
        return np.asarray(weight @ x.astype(np.float64, copy=False) / weight.sum())


def check_scale(mean: NDArray[np.float64], scale: NDArray[np.float64], name: str) -> None:
    """Raise ValueError where numbers are so large that these have overflowed."""
    odd = ~(np.isfinite(mean) & np.isfinite(scale))
    if odd.any():
        column = int(odd.argmax())
        raise ValueError(f"{name} has numbers too large to be scaled, in column {column}")


def deviations(x: Array, mean: NDArray[np.float64], weight: Weights) -> NDArray[np.float64]:
    """Return the standard deviation of each column, 1 where it is only rounding, or 0."""
    with np.errstate(over="ignore", invalid="ignore"):  # see `check_scale`
        variance = np.average((x - mean) ** 2, axis=0, weights=weight)
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
    except TypeError:  # pandas.NA, or what is no cell of a table
        return any(type(cell).__name__ in MISSING_TYPES for cell in np.ravel(X).tolist())
    return False


def _is_number(dtype: Any) -> bool:
    if hasattr(dtype, "is_numeric"):  # of polars; bools are 0 and 1, as those of pandas
        return bool(dtype.is_numeric()) or str(dtype) == "Boolean"
    return getattr(dtype, "kind", "O") in tuple("iufbc") and str(dtype) != "category"
