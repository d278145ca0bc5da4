"""Small synthetic data sets: points in the plane with two classes, and curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

N_POINTS = 500
"""The number of rows of each set."""


class Points(NamedTuple):
    """Rows with x (N, I) within about -1 to 1, and y (N,): 0 or 1, or a number."""

    x: Floats
    y: Floats


def _classes(rng: np.random.Generator) -> Floats:
    """Return 0 for half of the rows and 1 for the others, in random order."""
    return rng.permutation(np.arange(N_POINTS) % 2).astype(np.float64)


def _jitter(x: Floats, noise: float, rng: np.random.Generator) -> Floats:
    """Add normal noise with a standard deviation of noise / 4."""
    return x + rng.normal(0.0, 1.0, x.shape) * (noise / 4)


def spiral(noise: float, rng: np.random.Generator) -> Points:
    """Return a spiral of two arms with one and a half turns each."""
    y = _classes(rng)
    radius = np.sqrt(rng.uniform(0.01, 1.0, N_POINTS))
    angle = 3 * np.pi * radius + np.pi * y
    x = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
    return Points(_jitter(x, noise, rng), y)


def hard_spiral(noise: float, rng: np.random.Generator) -> Points:
    """Return a spiral of two arms with two and a half turns each."""
    y = _classes(rng)
    radius = np.sqrt(rng.uniform(0.01, 1.0, N_POINTS))
    angle = 5 * np.pi * radius + np.pi * y
    x = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
    return Points(_jitter(x, noise / 2, rng), y)


def circles(noise: float, rng: np.random.Generator) -> Points:
    """Return a disk within a ring."""
    y = _classes(rng)
    radius = np.where(
        y == 1, np.sqrt(rng.uniform(0, 0.2, N_POINTS)), rng.uniform(0.65, 1, N_POINTS)
    )
    angle = rng.uniform(0, 2 * np.pi, N_POINTS)
    x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return Points(_jitter(x, noise, rng), y)


def xor(noise: float, rng: np.random.Generator) -> Points:
    """Return a square in which opposite quarters share a class."""
    x = rng.uniform(0.05, 1, (N_POINTS, 2)) * rng.choice([-1.0, 1.0], (N_POINTS, 2))
    y = (x[:, 0] * x[:, 1] > 0).astype(np.float64)
    return Points(_jitter(x, noise, rng), y)


def gaussians(noise: float, rng: np.random.Generator) -> Points:
    """Return two normal clusters; noise increases their spread."""
    y = _classes(rng)
    center = np.where(y == 1, 0.45, -0.45)[:, None]
    return Points(center + rng.normal(0, 0.12 + noise / 3, (N_POINTS, 2)), y)


def two_moons(noise: float, rng: np.random.Generator) -> Points:
    """Return two interlocking half circles."""
    y = _classes(rng)
    angle = rng.uniform(0, np.pi, N_POINTS)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    lower = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], axis=1)
    x = (np.where(y[:, None] == 1, lower, upper) - [0.5, 0.25]) / 1.5
    return Points(_jitter(x, noise, rng), y)


def sine(noise: float, rng: np.random.Generator) -> Points:
    """Return a curve of one input: y = sin(2πx)."""
    x = rng.uniform(-1, 1, (N_POINTS, 1))
    y = np.sin(2 * np.pi * x[:, 0]) + rng.normal(0, 1, N_POINTS) * noise
    return Points(x, y)


def counts(noise: float, rng: np.random.Generator) -> Points:
    """Return counts whose rate depends on one input; noise increases their spread."""
    x = rng.uniform(-1, 1, (N_POINTS, 1))
    rate = np.exp(1 + np.sin(np.pi * x[:, 0]) + noise * rng.normal(0, 1, N_POINTS))
    return Points(x, rng.poisson(rate).astype(np.float64))


THRESHOLDS = (0.5, -0.6, 0.1, 0.8, -0.3, -0.9)
"""The number above which a row of each category is of class 1."""


def categories(noise: float, rng: np.random.Generator) -> Points:
    """Return a category, 0 to 5, and a number; each category has its own class boundary."""
    codes = rng.integers(0, len(THRESHOLDS), N_POINTS)
    number = rng.uniform(-1, 1, N_POINTS)
    y = number + rng.normal(0, 1, N_POINTS) * noise > np.array(THRESHOLDS)[codes]
    return Points(np.stack([codes.astype(np.float64), number], axis=1), y.astype(np.float64))


TOY_SETS: Mapping[str, Callable[[float, np.random.Generator], Points]] = {
    "spiral": spiral,
    "circles": circles,
    "xor": xor,
    "gaussians": gaussians,
    "two moons": two_moons,
    "hard spiral": hard_spiral,
    "sine": sine,
    "counts": counts,
    "categories": categories,
}
"""Every computed set by name: functions of the noise, 0 to 0.5, and a generator."""
