"""SGD: steps against the gradient, with optional momentum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from handnn import functional
from handnn.arrays import Array, fraction
from handnn.optimizers.optimizer import CommonSettings, GradientOptimizer, UpdateSettings


class SGD(GradientOptimizer):
    """Step against the gradient: stochastic gradient descent, with optional momentum.

        g = grad + weight_decay·param
        velocity = momentum·velocity + g
        step = g + momentum·velocity if nesterov else velocity
        param = param - lr·step

    Velocities start at 0. (Sutskever, Martens, Dahl and Hinton 2013, eq. 1-4, with lr outside the
    velocity as in PyTorch.)

    momentum: the weight of the past in the velocity, at least 0 and below 1, such as 0.9; without
    it, no velocity is kept.
    nesterov: look ahead by one velocity; needs a momentum above 0.
    common: the arguments of `GradientOptimizer`; see there also for errors.

    Examples:
        >>> params = {"w": np.array([4.0])}
        >>> optimizer = handnn.SGD(lr=0.5, momentum=0.5)
        >>> for _ in range(2):  # the velocities are 1 and 1.5
        ...     optimizer.step(params, {"w": np.array([1.0])})
        >>> params["w"]
        array([2.75])
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
        **common: Unpack[CommonSettings],
    ) -> None:
        super().__init__(lr, weight_decay=weight_decay, **common)
        self.momentum = momentum
        self.nesterov = nesterov
        self.check()

    def check(self) -> None:
        """Raise TypeError or ValueError if a setting is invalid."""
        super().check()
        fraction(self.momentum, "SGD: momentum", is_below_one=True)
        if not isinstance(self.nesterov, bool):
            raise TypeError(f"SGD: nesterov must be a bool, but is {self.nesterov!r}")
        if self.nesterov and self.momentum == 0:
            raise ValueError("SGD: nesterov needs a momentum above 0")

    @property
    def states(self) -> tuple[str, ...]:
        """A velocity, once momentum has been used."""
        return ("velocity",) if self.momentum or "velocity" in self.state else ()

    @property
    def velocities(self) -> dict[str, Array]:
        """The velocity of each param, by name; {} before momentum has been used."""
        return self.state.get("velocity", {})

    @property
    def settings(self) -> dict[str, float]:
        """The momentum, and whether it is Nesterov's."""
        return {"momentum": self.momentum, "nesterov": self.nesterov}

    def update(
        self, param: Array, grad: Array, states: Sequence[Array], **shared: Unpack[UpdateSettings]
    ) -> None:
        """Update `param` and its velocity in place."""
        (velocity,) = states or (None,)
        functional.sgd_update(
            param, grad, velocity, momentum=self.momentum, nesterov=self.nesterov, **shared
        )
