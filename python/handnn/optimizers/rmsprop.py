"""RMSProp: gradients divided by the root of the running mean of their squares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from handnn import functional
from handnn.arrays import Array, fraction, positive_number
from handnn.optimizers.optimizer import CommonSettings, GradientOptimizer, UpdateSettings


class RMSProp(GradientOptimizer):
    """Divide each gradient by the root of the running mean of its squares, then add momentum.

        g = grad + weight_decay·param
        square = alpha·square + (1 - alpha)·g²
        velocity = momentum·velocity + g / (sqrt(square) + eps)
        param = param - lr·velocity

    Squares and velocities start at 0. (Tieleman and Hinton 2012, "Neural Networks for Machine
    Learning", lecture 6.5; momentum and eps as in PyTorch.)

    alpha: the weight of the past in the running mean; at least 0 and below 1.
    eps: added to the denominator for numerical stability; above 0.
    momentum: the weight of the past in the velocity; without it, no velocity is kept.
    common: the arguments of `GradientOptimizer`; see there also for errors.

    Examples:
        >>> params = {"w": np.array([1.0])}
        >>> optimizer = handnn.RMSProp(lr=0.5, alpha=0.75, eps=2.0)
        >>> optimizer.step(params, {"w": np.array([4.0])})  # square = 4
        >>> params["w"]
        array([0.5])
    """

    kind = "rmsprop"
    formulas = (
        "g = grad + weight_decay·param",
        "square = alpha·square + (1 - alpha)·g²",
        "velocity = momentum·velocity + g / (sqrt(square) + eps)",
        "param = param - lr·velocity",
    )

    def __init__(
        self,
        lr: float = 0.01,
        alpha: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        **common: Unpack[CommonSettings],
    ) -> None:
        super().__init__(lr, weight_decay=weight_decay, **common)
        self.alpha = alpha
        self.eps = eps
        self.momentum = momentum
        self.check()

    def check(self) -> None:
        """Raise TypeError or ValueError if a setting is invalid."""
        super().check()
        fraction(self.alpha, "RMSProp: alpha", is_below_one=True)
        positive_number(self.eps, "RMSProp: eps")
        fraction(self.momentum, "RMSProp: momentum", is_below_one=True)

    @property
    def states(self) -> tuple[str, ...]:
        """The running mean of the squares, and a velocity once momentum has been used."""
        return ("square", "velocity") if self.momentum or "velocity" in self.state else ("square",)

    @property
    def settings(self) -> dict[str, float]:
        """The weight of the past, the term added to the denominator, and the momentum."""
        return {"alpha": self.alpha, "eps": self.eps, "momentum": self.momentum}

    def update(
        self, param: Array, grad: Array, states: Sequence[Array], **shared: Unpack[UpdateSettings]
    ) -> None:
        """Update `param`, its squares and its velocity in place."""
        square, *others = states
        velocity = others[0] if others else None
        functional.rmsprop_update(param, grad, square, velocity, **self.settings, **shared)
