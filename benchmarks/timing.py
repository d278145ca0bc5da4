"""Timing in rounds: each contestant runs once per round, so noise affects all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

Timed = Callable[[int], float]
"""A function that repeats an operation n times and returns the seconds it took."""


@dataclass(frozen=True)
class Effort:
    """The seconds of a measurement, the number of rounds, and the pause before each measurement."""

    seconds: float
    rounds: int
    pause: float = 0.0


def calibrate(timed: Timed, seconds: float) -> int:
    """Return the number of repeats that take about `seconds`, at least 1.

    First calls are slow, so the last trial takes most of `seconds`.
    """
    repeats = 1
    timed(repeats)
    while (spent := timed(repeats)) < 0.6 * seconds:
        repeats *= 2 if spent <= 0 else min(16, max(2, round(seconds / spent)))
    return max(1, round(repeats * seconds / spent))


def interleave(contestants: Mapping[str, Timed], effort: Effort) -> dict[str, float]:
    """Return the median seconds of one repeat of each contestant."""
    repeats = {name: calibrate(timed, effort.seconds) for name, timed in contestants.items()}
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(effort.rounds):
        for name, timed in contestants.items():
            if effort.pause:
                time.sleep(effort.pause)
                timed(-(-repeats[name] // 3))  # wakes CPUs and threads
            seconds[name].append(timed(repeats[name]) / repeats[name])
    return {name: median(turns) for name, turns in seconds.items()}
