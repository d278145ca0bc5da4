"""SGD: step against the gradient, with momentum if wanted."""

from __future__ import annotations

from typing import Any

from handnn import functional
from handnn.arrays import Array, non_negative_number
from handnn.optimizers.optimizer import GradientOptimizer


class SGD(GradientOptimizer):
    """Stochastic gradient descent, with momentum if wanted.

        g = grad + weight_decay·param
        velocity = momentum·velocity + g
        step = g + momentum·velocity if nesterov else velocity
        param = param - lr·step

    Velocities start at 0. For the other arguments see `GradientOptimizer`. Raises ValueError when a
    number is negative or not finite, or nesterov has no momentum, and TypeError when one is no
    number, or nesterov no bool.
    """

    kind = "sgd"
    formulas = (
        "g = grad + weight_decay·param",
        "velocity = momentum·velocity + g",
        "step = g + momentum·velocity if nesterov else velocity",
        "param = param - lr·step",
    )

    def __init__(
        self,
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        **common: Any,
    ) -> None:
        super().__init__(lr, weight_decay=weight_decay, **common)
        self.momentum = momentum
        self.nesterov = nesterov
        self.check()

    def check(self) -> None:
        """Raise TypeError or ValueError when a setting is none that SGD can take."""
        super().check()
        non_negative_number(self.momentum, "SGD: momentum")
        if not isinstance(self.nesterov, bool):
            raise TypeError(f"SGD: nesterov must be a bool, but is {self.nesterov!r}")
        if self.nesterov and self.momentum == 0:
            raise ValueError("SGD: nesterov needs a momentum above 0")

    @property
    def states(self) -> tuple[str, ...]:
        """A velocity, as soon as there is a momentum."""
        return ("velocity",) if self.momentum or "velocity" in self.state else ()

    @property
    def velocities(self) -> dict[str, Array]:
        """The velocity of each param, by its name; {} as long as there are none."""
        return self.state.get("velocity", {})

    @property
    def settings(self) -> dict[str, Any]:
        """The momentum, and whether it is Nesterov's."""
        return {"momentum": self.momentum, "nesterov": self.nesterov}

    def update(self, param: Array, grad: Array, states: list[Any], **settings: Any) -> None:
        """Update `param` and its velocity in place."""
        velocity = states[0] if states else None
        functional.sgd_update(param, grad, velocity, **settings, **self.settings)
