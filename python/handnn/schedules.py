"""Learning-rate schedules: the factor that multiplies an optimizer's `lr` at every step.

A step is the update of one batch, counted from 0, and lengths are in steps. Factors are made with
+, -, · and / alone: every machine rounds those alike, but not a library's cosines and powers.
"""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from numbers import Real
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import fraction, whole_number

Steps = NDArray[np.int64]
Factors = NDArray[np.float64]


class Schedule(ABC):
    """What schedules share. Your own has `at`, and keeps its arguments under their names."""

    is_watching = False
    """Whether `watch` must be told the loss of every epoch."""

    @abstractmethod
    def at(self, steps: Steps) -> Factors:
        """Return the factor of every one of `steps`, each from its own number alone."""

    def factors(self, first: SupportsIndex, count: SupportsIndex) -> Factors:
        """Return the factors (count,) of the steps first, first + 1, ..., first + count - 1.

        They depend on the numbers of the steps (and on the losses, if it is watching), not on
        where a call begins: ``factors(0, 10)[3:]`` is ``factors(3, 7)``, bit for bit.
        Raises TypeError unless both are ints, ValueError when one is negative or above 2**53.
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
        """Take notice of the loss of an epoch that has just ended."""

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments that build it again."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def __repr__(self) -> str:
        """Show how to build it again."""
        settings = ", ".join(f"{name}={value!r}" for name, value in self.settings.items())
        return f"{type(self).__name__}({settings})"


class Constant(Schedule):
    """The factor is 1 at every step. It has no end."""

    def at(self, steps: Steps) -> Factors:
        return np.ones(len(steps))


class Step(Schedule):
    """The factor is multiplied by `factor`, from 0 to 1, after every `every` steps.

    It is factor ** (step // every), and has no end: it falls on towards 0.
    """

    def __init__(self, every: int, factor: float = 0.1) -> None:
        self.every = _whole(self, "every", every)
        self.factor = _fraction(self, "factor", factor)

    def at(self, steps: Steps) -> Factors:
        """Return the powers, from the squares of squares that their exponents have as bits."""
        exponents = steps // self.every
        power, square = np.ones(len(steps)), self.factor
        while exponents.any():
            power[exponents % 2 == 1] *= square
            square *= square
            exponents //= 2
        return power


class Cosine(Schedule):
    """The factor falls from 1 to `final` along half a cosine over `steps` steps.

        final + (1 - final)·(1 + cos(π·step / steps)) / 2

    From step `steps` on, where the formula would rise again, it stays at `final`. (Loshchilov and
    Hutter 2017, "SGDR", eq. 5, without the restarts.)
    """

    def __init__(self, steps: int, final: float = 0.0) -> None:
        self.steps = _whole(self, "steps", steps)
        self.final = _fraction(self, "final", final)

    def at(self, steps: Steps) -> Factors:
        return _half_cosine(1.0, self.final, steps, self.steps)


class WarmUp(Schedule):
    """The factor rises in a line over `steps` steps to where `then` begins, and goes on with it.

        (step + 1) / steps · then(0)    while step < steps   (Goyal et al. 2017, section 2.2)
        then(step - steps)              from there on

    `then`, Constant() when None, says what happens after its end; if it is watching, it is told
    the losses of the warm-up too. The last step of the warm-up has the factor of then's first.
    """

    def __init__(self, steps: int, then: Schedule | None = None) -> None:
        if then is not None and not isinstance(then, Schedule):
            raise TypeError(f"WarmUp: then must be a Schedule or None, but is {then!r}")
        self.steps = _whole(self, "steps", steps)
        self.then = Constant() if then is None else then
        self.is_watching = self.then.is_watching

    def at(self, steps: Steps) -> Factors:
        rise = (steps + 1) / self.steps * self.then.at(np.zeros(1, np.int64))
        then = self.then.at(np.maximum(steps - self.steps, 0))
        return np.where(steps < self.steps, rise, then)

    def watch(self, loss: float) -> None:
        self.then.watch(loss)


class OneCycle(Schedule):
    """The factor rises from `start` to 1, and then falls to `final`, each along half a cosine.

        1 + (start - 1)·(1 + cos(π·step / peak)) / 2                         up to the peak
        final + (1 - final)·(1 + cos(π·(step - peak) / (last - peak))) / 2   up to last

        peak = max(warm·steps - 1, 0)    last = steps - 1

    `warm` is the share of the rise. From step `steps` on it stays at `final`. (Smith and Topin
    2018, "Super-Convergence", as PyTorch's OneCycleLR with max_lr = lr, div_factor = 1 / start,
    final_div_factor = start / final; but where warm·steps ≤ 1, PyTorch begins beyond the peak or
    divides by zero, and we begin at the peak.)
    """

    def __init__(
        self, steps: int, warm: float = 0.3, start: float = 1 / 25, final: float = 1e-4
    ) -> None:
        self.steps = _whole(self, "steps", steps)
        self.warm = _fraction(self, "warm", warm)
        self.start = _fraction(self, "start", start)
        self.final = _fraction(self, "final", final)

    def at(self, steps: Steps) -> Factors:
        peak, last = max(self.warm * self.steps - 1, 0.0), self.steps - 1
        rise = _half_cosine(self.start, 1.0, steps, peak)
        fall = _half_cosine(1.0, self.final, steps - peak, last - peak)
        return np.where(steps <= peak, rise, fall)


class ReduceOnPlateau(Schedule):
    """The factor is multiplied by `factor`, below 1, when the loss no longer falls.

        a loss is good when it is below best·(1 - threshold), and then it is the new best
        more than `patience` bad epochs in a row: factor_now = max(factor·factor_now, minimum)

    After that, `cooldown` epochs do not count as bad ones. `watch` is to be told the loss after
    every epoch, the validation loss if there is one; NaN is a bad one. All steps until the next
    `watch` have the factor `factor_now`, which starts at 1. It has no end: it stays at `minimum`.
    `factor_now`, `best`, `bad_epochs` and `cooling` are its state, which a resumed run needs.
    (PyTorch's ReduceLROnPlateau with mode "min", threshold_mode "rel", min_lr = minimum·lr, eps 0.)
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

    def watch(self, loss: Any) -> None:
        """Count the epoch as a good or a bad one; raise TypeError when `loss` is no number."""
        if not isinstance(loss, Real):
            raise TypeError(f"ReduceOnPlateau.watch: loss must be a number, but is {loss!r}")
        loss = float(loss)
        if loss < self.best * (1 - self.threshold):
            self.best, self.bad_epochs = loss, 0
        else:
            self.bad_epochs += 1
        if self.cooling > 0:
            self.cooling, self.bad_epochs = self.cooling - 1, 0
        if self.bad_epochs > self.patience:
            self.factor_now = max(self.factor * self.factor_now, self.minimum)
            self.cooling, self.bad_epochs = self.cooldown, 0


SCHEDULES: tuple[type[Schedule], ...] = (
    Constant,
    Step,
    Cosine,
    WarmUp,
    OneCycle,
    ReduceOnPlateau,
)
"""Every schedule of handnn: what a checkpoint may hold and `handnn check` covers."""


SINE = [(-1) ** k / math.factorial(2 * k + 1) for k in range(12)]
"""Of sin z = z·(1 - z²/3! + z⁴/5! - ...); the next term is below 1e-20 for |z| ≤ π/2."""


def _half_cosine(start: float, end: float, part: NDArray[Any], whole: float) -> Factors:
    """Go from `start` to `end`, exactly there at both, as part / whole goes from 0 to 1.

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


def _whole(owner: Schedule, name: str, value: SupportsIndex, least: int = 1) -> int:
    number = whole_number(value, f"{type(owner).__name__}: {name}", least)
    if number > 2**53:  # up to there a float64 holds every whole number
        raise ValueError(f"{type(owner).__name__}: {name} must be at most 2**53, but is {number}")
    return number


def _fraction(owner: Schedule, name: str, value: object, is_below_one: bool = False) -> float:
    return fraction(value, f"{type(owner).__name__}: {name}", is_below_one)
