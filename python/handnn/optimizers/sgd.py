"""SGD: step against the gradient, with momentum if wanted."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from numbers import Real
from typing import Any, cast

import numpy as np

from handnn import functional
from handnn.arrays import Array, as_float


class SGD:
    """Stochastic gradient descent, with momentum if wanted.

        g = grad + weight_decay·param
        velocity = momentum·velocity + g
        step = g + momentum·velocity if nesterov else velocity
        param = param - lr·step

    Velocities start at 0 and are kept by name, so one SGD belongs to one network. Weight decay
    spares the biases, params called "b" (as in "0.b"): it is to hold back slopes, not offsets.
    `lr`, `momentum` and `weight_decay` may be changed between steps.

    Raises ValueError when one of them is negative or not finite, or nesterov has no momentum, and
    TypeError when one is no number, or nesterov no bool.
    """

    def __init__(
        self, lr: float, momentum: float = 0.0, nesterov: bool = False, weight_decay: float = 0.0
    ) -> None:
        self.lr = lr
        self.momentum = momentum
        self.nesterov = nesterov
        self.weight_decay = weight_decay
        self.velocities: dict[str, Array] = {}
        self.check()

    def check(self) -> None:
        """Raise TypeError or ValueError when a setting is none that SGD can take."""
        for name in ("lr", "momentum", "weight_decay"):
            value: object = getattr(self, name)
            if not isinstance(value, Real):
                raise TypeError(f"SGD: {name} must be a number, but is {value!r}")
            if not 0 <= cast(Any, value) <= sys.float_info.max:
                raise ValueError(f"SGD: {name} must be finite and not negative, but is {value}")
        if not isinstance(self.nesterov, bool):
            raise TypeError(f"SGD: nesterov must be a bool, but is {self.nesterov!r}")
        if self.nesterov and self.momentum == 0:
            raise ValueError("SGD: nesterov needs a momentum above 0")

    def step(self, params: Mapping[str, Array], grads: Mapping[str, Array | None]) -> None:
        """Take one step: every array of `params` is changed in place.

        Raises RuntimeError, before anything is changed, when a param has no gradient yet.
        """
        self.check()
        known = {name: grad for name, grad in grads.items() if grad is not None}
        missing = [name for name in params if name not in known]
        if missing:
            raise RuntimeError(
                f"SGD.step: no gradient for {', '.join(missing)}; call backward first"
            )
        self.velocities_of(params)
        for name, param in params.items():
            is_bias = name.rpartition(".")[2] == "b"
            functional.sgd_update(
                param,
                as_float(known[name], param.dtype, f"SGD.step: the gradient of {name}"),
                self.velocities.get(name),
                lr=self.lr,
                momentum=self.momentum,
                nesterov=self.nesterov,
                weight_decay=0.0 if is_bias else self.weight_decay,
            )

    def velocities_of(self, params: Mapping[str, Array], prefix: str = "") -> dict[str, Array]:
        """Return the velocities of `params`, made where missing; {} as long as there are none.

        The name of a param in `velocities` is the one in `params` behind `prefix`.
        """
        if self.momentum:
            for name, param in params.items():
                if prefix + name not in self.velocities:
                    self.velocities[prefix + name] = np.zeros_like(param)
        return {n: self.velocities[prefix + n] for n in params if prefix + n in self.velocities}

    def __repr__(self) -> str:
        """Show how to build it again."""
        return (
            f"SGD(lr={self.lr}, momentum={self.momentum}, nesterov={self.nesterov}, "
            f"weight_decay={self.weight_decay})"
        )
