"""What optimizers share."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from handnn import functional
from handnn.arrays import Array, as_float, in_own_lines, non_negative_number, positive_number
from handnn.schedules import Schedule

UNDECAYED = ("b", "gamma", "beta")
"""Last parts of the names of params that weight decay spares: it is to hold back slopes."""

STEPS_AT_ONCE = 1024
"""For how many steps a schedule is asked at a time when steps are taken one by one."""


class Optimizer(Protocol):
    """Anything with `step`: handnn's own optimizers, and yours."""

    def step(self, params: dict[str, Array], grads: dict[str, Any], /) -> None:
        """Change every array of `params` in place, guided by the gradient of the same name."""
        ...


class GradientOptimizer(ABC):
    """What handnn's own optimizers have in common.

    schedule: its factor multiplies `lr` at every step. weight_decay spares params called "b",
    "gamma" or "beta" (as in "0.b"), unless decay_all: a bias is no slope, and a norm's gamma is to
    stay near 1. clip_value holds every entry of the gradients within ± it; clip_norm scales all
    gradients together so that their norm is at most it, before. lr_scales: factors of `lr` for some
    params, by their own name ("0.w", in a Residual "2.0.w") or else the number of their layer ("0",
    "2.0", "2").

    `steps` counts the steps taken, `state` has the arrays kept between them, by name of the state
    and of the param: so an optimizer belongs to one network. Settings may be changed between steps.
    """

    kind: ClassVar[str]
    """What the compiled engine calls the optimizer."""

    formulas: ClassVar[tuple[str, ...]] = ()
    """Its step, line by line: those of its docstring, which `handnn.trace` shows."""

    decoupled: ClassVar[bool] = False
    """Whether weight decay shrinks a param by itself, instead of being added to its gradient."""

    def __init__(
        self,
        lr: float,
        *,
        weight_decay: float = 0.0,
        decay_all: bool = False,
        schedule: Schedule | None = None,
        clip_value: float | None = None,
        clip_norm: float | None = None,
        lr_scales: Mapping[str, float] | None = None,
    ) -> None:
        self.lr = lr
        self.weight_decay = weight_decay
        self.decay_all = decay_all
        self.schedule = schedule
        self.clip_value = clip_value
        self.clip_norm = clip_norm
        self.lr_scales = {} if lr_scales is None else lr_scales
        self.steps = 0
        self.state: dict[str, dict[str, Array]] = {}
        self._factors: tuple[str, int, NDArray[np.float64]] = ("", 0, np.empty(0))

    @property
    @abstractmethod
    def states(self) -> tuple[str, ...]:
        """The names of the arrays that are kept for each param, in the order of the kernel."""

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The numbers of this optimizer alone, as its update takes them."""

    @abstractmethod
    def update(self, param: Array, grad: Array, states: list[Any], **settings: Any) -> None:
        """Update `param` and its states in place."""

    def check(self) -> None:
        """Raise TypeError or ValueError when a setting is none that the optimizer can take."""
        name = type(self).__name__
        for setting in ("lr", "weight_decay"):
            non_negative_number(getattr(self, setting), f"{name}: {setting}")
        for setting in ("clip_value", "clip_norm"):
            if getattr(self, setting) is not None:
                positive_number(getattr(self, setting), f"{name}: {setting}")
        if not isinstance(self.decay_all, bool):
            raise TypeError(f"{name}: decay_all must be a bool, but is {self.decay_all!r}")
        if not (self.schedule is None or isinstance(self.schedule, Schedule)):
            raise TypeError(f"{name}: schedule must be a Schedule, but is {self.schedule!r}")
        scales: object = self.lr_scales
        if not (isinstance(scales, Mapping) and all(isinstance(key, str) for key in scales)):
            raise TypeError(
                f"{name}: lr_scales must be a dict with names as keys, but is {scales!r}"
            )
        for key, scale in scales.items():
            non_negative_number(scale, f"{name}: lr_scales[{key!r}]")

    def step(self, params: Mapping[str, Array], grads: Mapping[str, Array | None]) -> None:
        """Take one step: every array of `params` is changed in place.

        Raises RuntimeError, before anything is changed, when a param has no gradient yet, and
        ValueError when `lr_scales` names none of the params.
        """
        self.check()
        self.check_names(params)
        name = f"{type(self).__name__}.step"
        given = {param: grad for param, grad in grads.items() if grad is not None}
        missing = [param for param in params if param not in given]
        if missing:
            raise RuntimeError(f"{name}: no gradient for {', '.join(missing)}; call backward first")
        known = {
            param: as_float(given[param], array.dtype, f"{name}: the gradient of {param}")
            for param, array in params.items()
        }
        common = {"clip_value": self.clip_value_or_inf}
        if self.clip_norm is not None:
            total = 0.0
            for grad in known.values():
                total += functional.sum_of_squares(grad)
            common["grad_scale"] = functional.clip_scale(self.clip_norm, total)
        lr = self.lr * self._factor()
        for param, array in params.items():
            states, lr_scale, weight_decay = self.learnt(param, array)
            self.update(
                array, known[param], states, lr=lr * lr_scale, weight_decay=weight_decay, **common
            )
        self.steps += 1

    def check_names(self, params: Mapping[str, Array]) -> None:
        """Raise ValueError when `lr_scales` has a name that belongs to none of the params."""
        if not self.lr_scales:
            return
        known = {place for param in params for place in _places(param)}
        for key in self.lr_scales:
            if key not in known:
                raise ValueError(
                    f"{type(self).__name__}: lr_scales names {key!r}, but the params are "
                    f"{', '.join(params)}"
                )

    def learnt(self, name: str, param: Array) -> tuple[list[Any], float, float]:
        """Return a param's states, made where missing, its factor of lr, and its weight decay."""
        states = []
        for state in self.states:
            kept = self.state.setdefault(state, {})
            if name not in kept:
                kept[name] = in_own_lines(np.zeros(param.shape), param.dtype)
            states.append(kept[name])
        scales = self.lr_scales
        named = [place for place in _places(name) if place in scales] if scales else ()
        lr_scale = float(scales[named[0]]) if named else 1.0
        spared = name.rpartition(".")[2] in UNDECAYED and not self.decay_all
        return states, lr_scale, 0.0 if spared else float(self.weight_decay)

    @property
    def clip_value_or_inf(self) -> float:
        """`clip_value`, as the kernels take it: inf for None."""
        return math.inf if self.clip_value is None else self.clip_value

    def factors(self, count: int) -> NDArray[np.float64] | None:
        """Return the schedule's factors of the next `count` steps, None without a schedule."""
        return None if self.schedule is None else self.schedule.factors(self.steps, count)

    def watch(self, loss: float) -> None:
        """Tell the schedule the loss after an epoch."""
        if self.schedule is not None:
            self.schedule.watch(loss)

    def _factor(self) -> float:
        if self.schedule is None:
            return 1.0
        if self.schedule.is_watching:
            return float(self.schedule.factors(self.steps, 1)[0])
        which, first, factors = self._factors  # asked for many at once, for that takes no longer
        if which != repr(self.schedule) or not first <= self.steps < first + len(factors):
            first, factors = self.steps, self.schedule.factors(self.steps, STEPS_AT_ONCE)
            self._factors = repr(self.schedule), first, factors
        return float(factors[self.steps - first])

    def __repr__(self) -> str:
        """Show how to build it again; of what all optimizers take, only what is not the default."""
        own = {"lr": self.lr, **self.settings, "weight_decay": self.weight_decay}
        common = {
            "decay_all": self.decay_all,
            "schedule": self.schedule,
            "clip_value": self.clip_value,
            "clip_norm": self.clip_norm,
            "lr_scales": self.lr_scales,
        }
        shown = {**own, **{name: value for name, value in common.items() if value}}
        return f"{type(self).__name__}({', '.join(f'{n}={v!r}' for n, v in shown.items())})"


def _places(name: str) -> list[str]:
    """Return what a param may be called by, the nearest first: "2.0.w", "2.0", "2"."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
