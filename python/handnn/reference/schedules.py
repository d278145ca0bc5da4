"""The learning-rate schedules in plain NumPy: the factor of each step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import Array

Steps = NDArray[np.int64]
Factors = NDArray[np.float64]


def constant(steps: Steps) -> Factors:
    """factor = 1."""
    return np.ones(len(steps))


def step(steps: Steps, every: int, factor: float = 0.1) -> Factors:
    """factor ** (step // every)."""
    return np.float64(factor) ** (steps // every)


def _half_cosine(start: float, end: float, x: Array) -> Factors:
    """end + (start - end)·(1 + cos(π·x)) / 2 for x from 0 to 1, `end` from there on."""
    weight: Factors = (1 + np.cos(np.pi * np.clip(x, 0, 1))) / 2
    return end + (start - end) * weight


def cosine(steps: Steps, n_steps: int, final: float = 0.0) -> Factors:
    """Half a cosine from 1 to `final` over `n_steps` steps."""
    return _half_cosine(1, final, steps / n_steps)


def warm_up(steps: Steps, n_steps: int, then: Callable[[Steps], Factors]) -> Factors:
    """(step + 1) / n_steps·then(0) while step < n_steps, then(step - n_steps) from there on."""
    rise = (steps + 1) / n_steps * then(np.zeros(1, np.int64))
    return np.where(steps < n_steps, rise, then(np.maximum(steps - n_steps, 0)))


def one_cycle(
    steps: Steps, n_steps: int, warm: float = 0.3, start: float = 1 / 25, final: float = 1e-4
) -> Factors:
    """Half a cosine from `start` to 1 up to the peak, and from 1 to `final` up to the last step."""
    peak, last = max(warm * n_steps - 1, 0), n_steps - 1
    rise = _half_cosine(start, 1, steps / peak if peak else np.ones(len(steps)))
    fall = _half_cosine(1, final, (steps - peak) / (last - peak))
    return np.where(steps <= peak, rise, fall)


def doubling_cycles(steps: Steps, n_steps: int, cycles: int = 4, warm: float = 0.4) -> Factors:
    """Cycles of half a cosine up and another down, each twice as long as the previous one."""
    time = 1 + np.clip(steps / n_steps, 0, 1) * (2.0**cycles - 1)
    cycle = np.minimum(np.floor(np.log2(time)), cycles - 1)
    share = time / 2**cycle - 1
    fall = _half_cosine(1, 0, (share - warm) / (1 - warm))
    return np.where(share < warm, _half_cosine(0, 1, share / warm), fall)


def reduce_on_plateau(
    losses: Sequence[float],
    factor: float = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    cooldown: int = 0,
    minimum: float = 0.0,
) -> Iterator[float]:
    """Yield the factor after each epoch's loss.

    An epoch is bad unless its loss is below best·(1 - threshold). After more than `patience` bad
    epochs in a row the factor is multiplied, and the next `cooldown` epochs are not counted.
    """
    best, now, bad, cooling = math.inf, 1.0, 0, 0
    for loss in losses:
        is_good = loss < best * (1 - threshold)
        best = loss if is_good else best
        bad = 0 if is_good or cooling else bad + 1
        cooling = max(cooling - 1, 0)
        if bad > patience:
            now, bad, cooling = max(factor * now, minimum), 0, cooldown
        yield now
