"""Learning-rate schedules: the factor that multiplies an optimizer's `lr` at every step.

A step is the update of one batch, counted from 0; lengths are in steps. Factors are computed with
+, -, · and / only, which round identically on every machine, unlike the cosines and powers of C
libraries.
"""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from numbers import Real
from typing import SupportsIndex

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import fraction, whole_number, whole_numbers

Steps = NDArray[np.int64]
Factors = NDArray[np.float64]


N_CYCLES = 4
"""The default number of `DoublingCycles`."""


class Schedule(ABC):
    """Base class of all schedules.

    A schedule of your own implements `at`, and keeps the arguments of its constructor in attributes
    of the same names.

    Examples:
        >>> from handnn.schedules import Schedule
        >>> class Halving(Schedule):
        ...     def at(self, steps):
        ...         return 0.5**steps
        >>> Halving().factors(first=1, count=3)
        array([0.5  , 0.25 , 0.125])
    """

    is_watching = False
    """Whether `watch` must be called with the loss of every epoch."""

    @abstractmethod
    def at(self, steps: Steps) -> Factors:
        """Return the factors (S,) of `steps` (S,); each depends only on its own step."""

    def factors(self, first: SupportsIndex, count: SupportsIndex) -> Factors:
        """Return the float64 factors (count,) of the steps first, ..., first + count - 1.

        A factor does not depend on where a call begins: ``factors(0, 10)[3:]`` equals
        ``factors(3, 7)``, bit for bit. If the schedule is watching, it also depends on the losses.

        Raises TypeError if `first` or `count` is not an int. Raises ValueError if one is negative
        or above 2**53, or if `at` returns a factor that is negative or not finite.
        """
        start = _whole(self, "first", first, 0)
        steps = np.arange(start, start + _whole(self, "count", count, 0), dtype=np.int64)
        factors = np.asarray(self.at(steps), dtype=np.float64)
        if factors.shape != steps.shape or not (np.isfinite(factors) & (factors >= 0)).all():
            raise ValueError(
                f"{type(self).__name__}: at must return a factor, finite and not negative, for "
                f"each of {len(steps)} steps"
            )
        return factors

    def watch(self, loss: float) -> None:  # noqa: B027 - most schedules have nothing to watch
        """Record the loss of the epoch that has just ended."""

    @property
    def settings(self) -> dict[str, object]:
        """The arguments of the constructor, by name."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def __repr__(self) -> str:
        """Show the constructor call."""
        settings = ", ".join(f"{name}={value!r}" for name, value in self.settings.items())
        return f"{type(self).__name__}({settings})"


class Constant(Schedule):
    """Keep the learning rate: the factor is 1 at every step.

    Examples:
        >>> handnn.schedules.Constant().factors(0, 3)
        array([1., 1., 1.])
    """

    def at(self, steps: Steps) -> Factors:
        return np.ones(np.shape(steps))


class Step(Schedule):
    """Multiply the learning rate by `factor` after every `every` steps.

        factor ** (step // every)

    every: at least 1.
    factor: from 0 to 1.

    Raises TypeError if an argument is not a number (`every`: an int), and ValueError if it is out
    of range.

    Examples:
        >>> handnn.schedules.Step(2, factor=0.5).factors(0, 5)
        array([1.  , 1.  , 0.5 , 0.5 , 0.25])
    """

    def __init__(self, every: int, factor: float = 0.1) -> None:
        self.every = _whole(self, "every", every)
        self.factor = _fraction(self, "factor", factor)

    def at(self, steps: Steps) -> Factors:
        """Compute the powers by repeated squaring, one bit of the exponents at a time."""
        steps = whole_numbers(steps, "Step.at: steps")
        exponents = np.asarray(steps // self.every)
        power, square = np.ones(np.shape(steps)), self.factor
        while (exponents > 0).any():
            power[exponents % 2 == 1] *= square
            square *= square
            exponents //= 2
        return power


class Cosine(Schedule):
    """Lower the factor from 1 to `final` along half a cosine, over `steps` steps.

        final + (1 - final)·(1 + cos(π·step / steps)) / 2

    From step `steps` on it stays at `final`. (Loshchilov and Hutter 2017, "SGDR", eq. 5, without
    restarts.)

    steps: at least 1.
    final: from 0 to 1.

    Raises TypeError if an argument is not a number (`steps`: an int), and ValueError if it is out
    of range.

    Examples:
        >>> handnn.schedules.Cosine(2).factors(0, 4)
        array([1. , 0.5, 0. , 0. ])
    """

    def __init__(self, steps: int, final: float = 0.0) -> None:
        self.steps = _whole(self, "steps", steps)
        self.final = _fraction(self, "final", final)

    def at(self, steps: Steps) -> Factors:
        return _half_cosine(1.0, self.final, whole_numbers(steps, "Cosine.at: steps"), self.steps)


class WarmUp(Schedule):
    """Raise the factor linearly over `steps` steps to the first factor of `then`; continue with it.

        (step + 1) / steps · then(0)    while step < steps   (Goyal et al. 2017, section 2.2)
        then(step - steps)              from there on

    steps: at least 1.
    then: the schedule that follows; Constant() if None. If it is watching, it also receives the
        losses of the warm-up.

    Raises TypeError if `steps` is not an int or `then` not a Schedule, and ValueError if `steps` is
    out of range.

    Examples:
        >>> from handnn.schedules import Cosine, WarmUp
        >>> WarmUp(2, then=Cosine(2)).factors(0, 5)
        array([0.5, 1. , 1. , 0.5, 0. ])
    """

    def __init__(self, steps: int, then: Schedule | None = None) -> None:
        if then is not None and not isinstance(then, Schedule):
            raise TypeError(f"WarmUp: then must be a Schedule or None, but is {then!r}")
        self.steps = _whole(self, "steps", steps)
        self.then = Constant() if then is None else then
        self.is_watching = self.then.is_watching

    def at(self, steps: Steps) -> Factors:
        steps = whole_numbers(steps, "WarmUp.at: steps")
        rise = (steps + 1) / self.steps * self.then.at(np.zeros(1, np.int64))
        then = self.then.at(np.maximum(steps - self.steps, 0))
        return np.where(steps < self.steps, rise, then)

    def watch(self, loss: float) -> None:
        self.then.watch(loss)


class OneCycle(Schedule):
    """Raise the factor from `start` to 1, then lower it to `final`, each along half a cosine.

        1 + (start - 1)·(1 + cos(π·step / peak)) / 2                         up to the peak
        final + (1 - final)·(1 + cos(π·(step - peak) / (last - peak))) / 2   up to last

        peak = max(warm·steps - 1, 0)    last = steps - 1

    From step `steps` on it stays at `final`. (Smith and Topin 2018, "Super-Convergence"; as
    PyTorch's OneCycleLR with max_lr = lr, div_factor = 1 / start and final_div_factor = start /
    final, except that this schedule begins at the peak if warm·steps ≤ 1, where PyTorch begins
    beyond it or divides by zero.)

    steps: at least 1.
    warm: the share of the steps in which the factor rises, from 0 to 1.
    start, final: from 0 to 1.

    Raises TypeError if an argument is not a number (`steps`: an int), and ValueError if it is out
    of range.

    Examples:
        >>> handnn.schedules.OneCycle(5, warm=0.6, start=0.5, final=0.0).factors(0, 5)
        array([0.5 , 0.75, 1.  , 0.5 , 0.  ])
    """

    def __init__(
        self, steps: int, warm: float = 0.3, start: float = 1 / 25, final: float = 1e-4
    ) -> None:
        self.steps = _whole(self, "steps", steps)
        self.warm = _fraction(self, "warm", warm)
        self.start = _fraction(self, "start", start)
        self.final = _fraction(self, "final", final)

    def at(self, steps: Steps) -> Factors:
        steps = whole_numbers(steps, "OneCycle.at: steps")
        peak, last = max(self.warm * self.steps - 1, 0.0), self.steps - 1
        rise = _half_cosine(self.start, 1.0, steps, peak)
        fall = _half_cosine(1.0, self.final, steps - peak, last - peak)
        return np.where(steps <= peak, rise, fall)


class DoublingCycles(Schedule):
    """Raise the factor from 0 to 1 and lower it to 0 several times, each time twice as long.

        (1 - cos(π·u / warm)) / 2                     while u < warm
        (1 + cos(π·(u - warm) / (1 - warm))) / 2      from there on

    u is the place within a cycle, from 0 to 1. Cycle k of K, from 0, lasts 2^k / (2^K - 1) of all
    steps.

    So the weights have settled at the end of each cycle, and with held-out rows, training can
    choose among K lengths. From step `steps` on the factor is 0. (Loshchilov and Hutter 2017,
    "SGDR", with T_mult = 2 and a rise; as "coslog" of Holzmüller, Grinsztajn and Steinwart 2024,
    whose rise and fall are logarithmic in time.)

    steps: at least 1. cycles: K, from 1 to 16.
    warm: the share of each cycle in which the factor rises, from 0 to 1.

    Raises TypeError if an argument is not a number (`steps` and `cycles`: an int), and ValueError
    if it is out of range.

    Examples:
        >>> handnn.schedules.DoublingCycles(6, cycles=2, warm=0.5).factors(0, 7)
        array([0. , 1. , 0. , 0.5, 1. , 0.5, 0. ])
    """

    def __init__(self, steps: int, cycles: int = N_CYCLES, warm: float = 0.4) -> None:
        self.steps = _whole(self, "steps", steps)
        self.cycles = _whole(self, "cycles", cycles)
        if self.cycles > MAX_CYCLES:
            raise ValueError(f"DoublingCycles: cycles must be at most {MAX_CYCLES}, not {cycles}")
        self.warm = _fraction(self, "warm", warm)

    def at(self, steps: Steps) -> Factors:
        steps = whole_numbers(steps, "DoublingCycles.at: steps")
        ends = 2.0 ** np.arange(1, self.cycles)
        time = 1 + np.minimum(steps / self.steps, 1) * (2.0**self.cycles - 1)
        start = 2.0 ** np.searchsorted(ends, time, side="right")
        share = time / start - 1
        rise = _half_cosine(0.0, 1.0, share, self.warm)
        fall = _half_cosine(1.0, 0.0, share - self.warm, 1 - self.warm)
        return np.where(share < self.warm, rise, fall)


class ReduceOnPlateau(Schedule):
    """Multiply the factor by `factor` whenever the loss has stopped falling.

        an epoch is good if its loss is below best·(1 - threshold), and its loss is the new best
        after more than `patience` bad epochs in a row: factor_now = max(factor·factor_now, minimum)

    `Trainer.fit` calls `watch` after every epoch, with the validation loss if there is one; NaN is
    bad. All steps until the next `watch` have the factor `factor_now`, which starts at 1. (As
    PyTorch's ReduceLROnPlateau with mode "min", threshold_mode "rel", min_lr = minimum·lr, eps 0.)

    factor: at least 0 and below 1.
    patience: the number of bad epochs to tolerate, at least 0.
    threshold: the relative improvement that counts, at least 0 and below 1.
    cooldown: the number of epochs after a reduction that do not count as bad, at least 0.
    minimum: the lowest factor, from 0 to 1.

    `factor_now`, `best`, `bad_epochs` and `cooling` are the state that a resumed run needs.

    Raises TypeError if an argument is not a number (`patience` and `cooldown`: an int), and
    ValueError if it is out of range.

    Examples:
        >>> schedule = handnn.schedules.ReduceOnPlateau(0.5, patience=1)
        >>> for loss in [4.0, 3.0, 3.0, 3.0]:
        ...     schedule.watch(loss)
        >>> schedule.factor_now
        0.5
    """

    is_watching = True

    def __init__(
        self,
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        cooldown: int = 0,
        minimum: float = 0.0,
    ) -> None:
        self.factor = _fraction(self, "factor", factor, is_below_one=True)
        self.patience = _whole(self, "patience", patience, 0)
        self.threshold = _fraction(self, "threshold", threshold, is_below_one=True)
        self.cooldown = _whole(self, "cooldown", cooldown, 0)
        self.minimum = _fraction(self, "minimum", minimum)
        self.factor_now, self.best = 1.0, math.inf
        self.bad_epochs = self.cooling = 0

    def at(self, steps: Steps) -> Factors:
        return np.full(len(steps), self.factor_now)

    def watch(self, loss: object) -> None:
        """Count the epoch as good or bad; raise TypeError if `loss` is not a number."""
        if not isinstance(loss, Real):
            raise TypeError(f"ReduceOnPlateau.watch: loss must be a number, but is {loss!r}")
        value = float(loss)
        if value < self.best * (1 - self.threshold):
            self.best, self.bad_epochs = value, 0
        else:
            self.bad_epochs += 1
        if self.cooling > 0:
            self.cooling, self.bad_epochs = self.cooling - 1, 0
        if self.bad_epochs > self.patience:
            self.factor_now = max(self.factor * self.factor_now, self.minimum)
            self.cooling, self.bad_epochs = self.cooldown, 0


__all__ = [
    "SCHEDULES",
    "Constant",
    "Cosine",
    "DoublingCycles",
    "OneCycle",
    "ReduceOnPlateau",
    "Schedule",
    "Step",
    "WarmUp",
]

SCHEDULES: tuple[type[Schedule], ...] = (
    Constant,
    Step,
    Cosine,
    WarmUp,
    OneCycle,
    DoublingCycles,
    ReduceOnPlateau,
)
"""Every schedule of handnn: those that a checkpoint may hold and that `handnn check` covers."""

MAX_CYCLES = 16
"""The largest number of `DoublingCycles`."""

SINE = [(-1) ** k / math.factorial(2 * k + 1) for k in range(12)]
"""Coefficients of sin z = z·(1 - z²/3! + z⁴/5! - ...); for |z| ≤ π/2 the error is below 1e-20."""


def _half_cosine(start: float, end: float, part: NDArray[np.number], whole: float) -> Factors:
    """Return half a cosine from `start` to `end`, exact at both, over part / whole from 0 to 1.

    (1 + cos(πx)) / 2 = (1 + sin(π·(1/2 - x))) / 2 is 1 at x = 0, 1/2 at 1/2 and 0 at 1, exactly.
    """
    x = np.minimum(np.maximum(np.divide(part, whole), 0), 1) if whole > 0 else np.ones(len(part))
    z = np.pi * (0.5 - x)
    square, series = z * z, np.zeros_like(z)
    for coefficient in reversed(SINE):
        series *= square
        series += coefficient
    weight: Factors = 0.5 + 0.5 * (z * series)
    return start * weight + end * (1 - weight)


def _whole(owner: Schedule, name: str, value: SupportsIndex, minimum: int = 1) -> int:
    """Return `value` as an int that a float64 represents exactly."""
    number = whole_number(value, f"{type(owner).__name__}: {name}", minimum)
    if number > 2**53:
        raise ValueError(f"{type(owner).__name__}: {name} must be at most 2**53, but is {number}")
    return number


def _fraction(owner: Schedule, name: str, value: object, is_below_one: bool = False) -> float:
    """Return `value` as a float from 0 to 1."""
    return fraction(value, f"{type(owner).__name__}: {name}", is_below_one)
