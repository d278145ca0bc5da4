"""The interface of an optimizer, and the base class of handnn's gradient-based optimizers."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypedDict

import numpy as np
from numpy.typing import NDArray

from handnn import functional
from handnn.arrays import (
    Array,
    as_float,
    check_type,
    in_own_lines,
    non_negative_number,
    positive_number,
)
from handnn.functional.optimizers import Updates
from handnn.schedules import Schedule

UNDECAYED = ("b", "gamma", "beta")
"""Params with these names are exempt from weight decay: biases and shifts."""

N_CACHED_FACTORS = 1024
"""The number of factors that are computed from a schedule at a time."""


class Optimizer(Protocol):
    """Any object with ``step(params, grads)``, whether handnn's own or yours."""

    def step(self, params: dict[str, Array], grads: dict[str, Any], /) -> None:
        """Update every array of `params` in place, by the gradient of the same name."""
        ...


class CommonSettings(TypedDict, total=False):
    """The keyword arguments that every `GradientOptimizer` takes, besides lr and weight_decay."""

    decay_all: bool
    schedule: Schedule | None
    clip_value: float | None
    clip_norm: float | None
    lr_scales: Mapping[str, float] | None


class UpdateSettings(TypedDict):
    """The settings of one update that all optimizers share, in the form that the kernels need."""

    lr: float
    weight_decay: float
    grad_scale: float
    clip_value: float


class GradientOptimizer(ABC):
    """Base class of handnn's optimizers that step along gradients.

    lr: the learning rate, not negative.
    weight_decay: adds weight_decay·param to each gradient; AdamW shrinks the param instead. Params
        named "b", "gamma" or "beta" (as in "0.b") are exempt unless `decay_all`.
    decay_all: apply weight decay to all params.
    schedule: a `handnn.schedules.Schedule`; its factor multiplies lr at every step.
    clip_value: clip every entry of the gradients to ± clip_value, after clip_norm.
    clip_norm: scale all gradients together so that their joint norm is at most clip_norm.
    lr_scales: factors of lr by the name of a param ("0.w", in a Residual "2.0.w") or of a layer
        ("0", "2.0", "2"); the longest name takes precedence.

    Settings may be changed between steps. `steps` counts the steps taken. `state` holds the arrays
    kept between steps, by the name of the state and of the param, so an optimizer belongs to one
    network.

    Raises TypeError if a setting has the wrong type, and ValueError if a number is out of range.
    """

    kind: ClassVar[str]
    """The compiled engine's name for the optimizer."""

    formulas: ClassVar[tuple[str, ...]] = ()
    """The step line by line, as in the docstring; `handnn.trace` shows it."""

    decoupled: ClassVar[bool] = False
    """Whether weight decay shrinks the param instead of being added to the gradient."""

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
        self.lr_scales: Mapping[str, float] = {} if lr_scales is None else lr_scales
        self.steps = 0
        self.state: dict[str, dict[str, Array]] = {}
        self._factors: tuple[str, int, NDArray[np.float64]] = ("", 0, np.empty(0))

    def __setattr__(self, name: str, value: object) -> None:
        """Set an attribute; NumPy numbers become floats, so that arithmetic is in float64."""
        object.__setattr__(self, name, float(value) if isinstance(value, np.floating) else value)

    @property
    @abstractmethod
    def states(self) -> tuple[str, ...]:
        """The names of the arrays kept for each param, in the order of the kernel's arguments."""

    @property
    @abstractmethod
    def settings(self) -> dict[str, float]:
        """The optimizer's own settings besides lr and weight_decay, by name."""

    @abstractmethod
    def update(
        self,
        param: Array,
        grad: Array,
        states: Sequence[Array],
        *,
        lr: float,
        weight_decay: float,
        grad_scale: float,
        clip_value: float,
    ) -> None:
        """Update `param` and its states in place."""

    def check(self) -> None:
        """Raise TypeError or ValueError if a setting is invalid."""
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
        """Take one step: update every array of `params` in place.

        Raises RuntimeError if a param has no gradient yet, and ValueError if `lr_scales` names none
        of the params; no array is changed then.
        """
        self.check()
        name = f"{type(self).__name__}.step"
        check_params(params, name)
        if not isinstance(grads, dict):  # the general check takes a microsecond
            check_type(grads, Mapping, f"{name}: grads")
        self.check_names(params)
        known: dict[str, Array] = {}
        for param, array in params.items():
            grad = grads.get(param)
            if grad is None:
                missing = ", ".join(one for one in params if grads.get(one) is None)
                raise RuntimeError(f"{name}: no gradient for {missing}; call backward first")
            known[param] = as_float(grad, array.dtype, f"{name}: the gradient of {param}")
        grad_scale = 1.0
        if self.clip_norm is not None:
            total = 0.0
            for grad in known.values():
                total += functional.sum_of_squares(grad)
            grad_scale = functional.clip_scale(self.clip_norm, total)
        lr = self.lr * self._factor()
        # A step that fails changes nothing, even if memory runs out: the kernels run at the end of
        # the block, and the code after it allocates nothing.
        attributes, steps = vars(self), self.steps + 1
        clip_value = self.clip_value_or_inf
        learnt = [self._update_arguments(param, array) for param, array in params.items()]
        with Updates():
            for (param, array), arguments in zip(params.items(), learnt, strict=True):
                states, lr_scale, weight_decay = arguments
                self.update(
                    array,
                    known[param],
                    states,
                    lr=lr * lr_scale,
                    weight_decay=weight_decay,
                    grad_scale=grad_scale,
                    clip_value=clip_value,
                )
        attributes["steps"] = steps

    def check_names(self, params: Mapping[str, Array]) -> None:
        """Raise ValueError if a key of `lr_scales` belongs to none of the params."""
        if not self.lr_scales:
            return
        known = {place for param in params for place in _places(param)}
        for key in self.lr_scales:
            if key not in known:
                raise ValueError(
                    f"{type(self).__name__}: lr_scales names {key!r}, but the params are "
                    f"{', '.join(params)}"
                )

    def update_arguments(self, name: str, param: Array) -> tuple[list[Array], float, float]:
        """Return a param's states, created if missing, its factor of lr and its weight decay."""
        check_type(name, str, "update_arguments: name")
        check_type(param, np.ndarray, "update_arguments: param")
        return self._update_arguments(name, param)

    def _update_arguments(self, name: str, param: Array) -> tuple[list[Array], float, float]:
        states = []
        for state in self.states:
            kept = self.state.setdefault(state, {})
            if name not in kept:
                kept[name] = in_own_lines(np.zeros(param.shape), param.dtype)
            states.append(kept[name])
        scales = self.lr_scales
        named = [place for place in _places(name) if place in scales] if scales else ()
        lr_scale = float(scales[named[0]]) if named else 1.0
        is_exempt = name.rpartition(".")[2] in UNDECAYED and not self.decay_all
        return states, lr_scale, 0.0 if is_exempt else float(self.weight_decay)

    @property
    def clip_value_or_inf(self) -> float:
        """`clip_value` as the kernels take it: inf for None."""
        return math.inf if self.clip_value is None else self.clip_value

    def factors(self, count: int) -> NDArray[np.float64] | None:
        """Return the schedule's factors of the next `count` steps; None without a schedule."""
        return None if self.schedule is None else self.schedule.factors(self.steps, count)

    def watch(self, loss: float) -> None:
        """Report the loss of an epoch to the schedule."""
        if self.schedule is not None:
            self.schedule.watch(loss)

    def _factor(self) -> float:
        if self.schedule is None:
            return 1.0
        if self.schedule.is_watching:
            return float(self.schedule.factors(self.steps, 1)[0])
        which, first, factors = self._factors  # cached: many cost little more than one
        if which != repr(self.schedule) or not first <= self.steps < first + len(factors):
            first, factors = self.steps, self.schedule.factors(self.steps, N_CACHED_FACTORS)
            self._factors = repr(self.schedule), first, factors
        return float(factors[self.steps - first])

    def __repr__(self) -> str:
        """Show the constructor call, without the common settings that have their defaults."""
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


def check_params(params: Mapping[str, Array], where: str) -> None:
    """Raise TypeError unless `params` are arrays by name."""
    if not isinstance(params, dict):  # the general check takes a microsecond
        check_type(params, Mapping, f"{where}: params")
    given: Mapping[str, object] = params
    for name, array in given.items():
        if not isinstance(array, np.ndarray):  # the message would take longer than the check
            check_type(array, np.ndarray, f"{where}: params[{name!r}]")


def _places(name: str) -> list[str]:
    """Return the names that `lr_scales` may use for a param, longest first: "2.0.w", "2.0", "2"."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
