"""Calls of the learning-rate schedules, and their bounds.

A cosine is within 2·eps of that of the C library (see `handnn.schedules`), and mixing the two ends
by it rounds three times more. A power with exponent k is a product of k factors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from handnn.reference import schedules
from handnn.reference.bounds import Bound
from handnn.reference.schedules import Factors, Steps
from handnn.schedules import (
    Constant,
    Cosine,
    DoublingCycles,
    OneCycle,
    ReduceOnPlateau,
    Schedule,
    Step,
    WarmUp,
)

N_STEPS = 60
LOSSES = (4.0, 3.0, 3.0, 3.0, 2.9999, 3.0, float("nan"), 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
EPS = float(np.finfo(np.float64).eps)


class ScheduleCall(NamedTuple):
    """A schedule with the factors of its formula, for the steps 0 to N_STEPS - 1.

    rounding: the error of a factor in units of eps, for the step of each.
    """

    schedule: Schedule
    formula: Callable[[Steps], Factors]
    rounding: Callable[[Steps], Bound]

    def results(self) -> tuple[Factors, Factors, Bound]:
        """Return the factors of the schedule, those of the formula, and their bounds."""
        steps = np.arange(N_STEPS, dtype=np.int64)
        factors = self.schedule.factors(0, N_STEPS)
        return factors, self.formula(steps), EPS * self.rounding(steps)


def no_rounding(steps: Steps) -> Bound:
    """Allow no error."""
    return np.zeros(len(steps))


def of_cosine(steps: Steps) -> Bound:
    """Allow five roundings of numbers up to 1."""
    return np.full(len(steps), 5.0)


def of_cycles(steps: Steps) -> Bound:
    """Allow for the rounding of the position in a cycle, which is a difference."""
    return np.full(len(steps), 100.0)


class PlateauCall(NamedTuple):
    """A schedule that watches `LOSSES`, with the factors of its formula after each of them."""

    schedule: ReduceOnPlateau

    def results(self) -> tuple[Factors, Factors, Bound]:
        """Return the factors of the schedule, those of the formula, and bounds of 0."""
        factors = []
        for loss in LOSSES:
            self.schedule.watch(loss)
            factors.append(self.schedule.factors(0, 1)[0])
        own = self.schedule
        expected = schedules.reduce_on_plateau(
            LOSSES, own.factor, own.patience, own.threshold, own.cooldown, own.minimum
        )
        return np.array(factors), np.array([*expected]), np.zeros(len(LOSSES))


def schedule_calls() -> list[ScheduleCall | PlateauCall]:
    """Return the calls, with new schedules: one that watches losses changes."""
    return [
        ScheduleCall(Constant(), schedules.constant, no_rounding),
        ScheduleCall(
            Step(4, 0.7),
            lambda steps: schedules.step(steps, 4, 0.7),
            lambda steps: (steps // 4 + 1) * 0.7 ** (steps // 4),
        ),
        ScheduleCall(
            Cosine(50, final=0.3), lambda steps: schedules.cosine(steps, 50, 0.3), of_cosine
        ),
        ScheduleCall(
            WarmUp(7, Cosine(40)),
            lambda steps: schedules.warm_up(steps, 7, lambda n: schedules.cosine(n, 40)),
            of_cosine,
        ),
        ScheduleCall(OneCycle(40), lambda steps: schedules.one_cycle(steps, 40), of_cosine),
        ScheduleCall(
            OneCycle(23, 0.45, start=0.0, final=0.0),
            lambda steps: schedules.one_cycle(steps, 23, 0.45, 0.0, 0.0),
            of_cosine,
        ),
        ScheduleCall(
            DoublingCycles(70), lambda steps: schedules.doubling_cycles(steps, 70), of_cycles
        ),
        PlateauCall(ReduceOnPlateau(0.5, patience=1)),
        PlateauCall(ReduceOnPlateau(0.3, patience=0, threshold=0.1, cooldown=2, minimum=0.05)),
    ]
