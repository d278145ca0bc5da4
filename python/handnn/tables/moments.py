"""Means and deviations: of columns, with weights, and of values that arrive in blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from handnn.arrays import Array
from handnn.tables.cells import Floats

Weights: TypeAlias = Floats | None
"""(N,) the weight of each row; None where every row counts once."""


@dataclass
class RunningMoments:
    """The count, mean and sum of squared deviations of values that arrive in blocks.

    (Chan, Golub and LeVeque 1979.)
    """

    n: int = 0
    mean: float = 0.0
    square: float = 0.0
    """``Σ (x - mean)²``."""

    def add(self, values: Array) -> None:
        """Add a block of values (M,)."""
        if len(values):
            mean = float(values.mean())
            self.merge(RunningMoments(len(values), mean, float(np.square(values - mean).sum())))

    def merge(self, other: RunningMoments) -> None:
        """Add the values summarized by other moments."""
        if not other.n:
            return
        before = self.n
        self.n += other.n
        shift = other.mean - self.mean
        self.square += other.square
        self.square += shift * shift * before * other.n / self.n
        self.mean += shift * other.n / self.n


def means(x: Array, weight: Weights) -> Floats:
    """Return the weighted mean of each column, summed in float64."""
    with np.errstate(over="ignore", invalid="ignore"):  # see `check_finite`
        if weight is None:
            return np.asarray(x.mean(axis=0, dtype=np.float64))
        return np.asarray(weight @ x.astype(np.float64, copy=False) / weight.sum())


def deviations(x: Array, mean: Floats, weight: Weights) -> Floats:
    """Return the weighted standard deviation of each column, 1 where it is 0 or only rounding."""
    with np.errstate(over="ignore", invalid="ignore"):  # see `check_finite`
        variance = np.average((x - mean) ** 2, axis=0, weights=weight)
    deviation = np.sqrt(variance)
    is_constant = deviation <= 10 * np.finfo(x.dtype).eps * np.abs(mean)
    return np.where(is_constant | (deviation == 0), 1.0, deviation)


MAX_SCALED = 10
"""The largest distance from 0 of a scaled training value, such as a pixel that is rarely lit."""


def standardization(values: Floats, weight: Weights = None) -> tuple[float, float]:
    """Return the mean and the scale of values (N,).

    The scale is the standard deviation; it is larger if a scaled value would otherwise be farther
    than `MAX_SCALED` from 0, and 1 for constant values, whose mean is the value. Both are infinite
    or NaN where they overflow.
    """
    low, high = float(values.min()), float(values.max())
    if low == high:
        return low, 1.0
    mean = float(means(values, weight))
    deviation = float(deviations(values, np.asarray(mean), weight))
    return mean, max(deviation, (high - mean) / MAX_SCALED, (mean - low) / MAX_SCALED)


def standardizations(values: Floats) -> tuple[Floats, Floats]:
    """Return `standardization` of each row of C-contiguous values (K, N), as (K,) and (K,)."""
    low, high = values.min(axis=1), values.max(axis=1)
    mean = values.mean(axis=1)
    deviation = np.sqrt(((values - mean[:, None]) ** 2).mean(axis=1))
    is_constant = deviation <= 10 * np.finfo(values.dtype).eps * np.abs(mean)
    deviation = np.where(is_constant | (deviation == 0), 1.0, deviation)
    scale = np.maximum(deviation, np.maximum(high - mean, mean - low) / MAX_SCALED)
    return np.where(low == high, low, mean), np.where(low == high, 1.0, scale)


def check_finite(mean: Floats, scale: Floats, name: str) -> None:
    """Raise ValueError where numbers are so large that mean or deviation has overflowed."""
    odd = ~(np.isfinite(mean) & np.isfinite(scale))
    if odd.any():
        column = int(odd.argmax())
        raise ValueError(f"{name} has numbers too large to be scaled, in column {column}")
