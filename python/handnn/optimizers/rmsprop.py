"""RMSProp: gradients divided by the root of the running mean of their squares."""

from __future__ import annotations

from typing import Any

from handnn import functional
from handnn.arrays import Array, fraction, non_negative_number, positive_number
from handnn.optimizers.optimizer import GradientOptimizer


class RMSProp(GradientOptimizer):
    """Gradients divided by the root of the running mean of their squares, with momentum if wanted.

        g = grad + weight_decay·param
        square = alpha·square + (1 - alpha)·g²
        velocity = momentum·velocity + g / (sqrt(square) + eps)
        param = param - lr·velocity

    Squares and velocities start at 0. For the other arguments see `GradientOptimizer`. Raises
    ValueError when a number is negative or not finite, alpha is not below 1 or eps is 0, and
    TypeError when one is no number. (Tieleman and Hinton 2012; the conventions are PyTorch's.)
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
        **common: Any,
    ) -> None:
        super().__init__(lr, weight_decay=weight_decay, **common)
        self.alpha = alpha
        self.eps = eps
        self.momentum = momentum
        self.check()

    def check(self) -> None:
        """Raise TypeError or ValueError when a setting is none that RMSProp can take."""
        super().check()
        fraction(self.alpha, "RMSProp: alpha", is_below_one=True)
        positive_number(self.eps, "RMSProp: eps")
        non_negative_number(self.momentum, "RMSProp: momentum")

    @property
    def states(self) -> tuple[str, ...]:
        """The running mean of squares, and a velocity as soon as there is a momentum."""
        return ("square", "velocity") if self.momentum or "velocity" in self.state else ("square",)

    @property
    def settings(self) -> dict[str, Any]:
        """The weight of what was, what keeps a division from being one by 0, and the momentum."""
        return {"alpha": self.alpha, "eps": self.eps, "momentum": self.momentum}

    def update(self, param: Array, grad: Array, states: list[Any], **settings: Any) -> None:
        """Update `param`, its squares and its velocity in place."""
        square, velocity = [*states, None][:2]
        functional.rmsprop_update(param, grad, square, velocity, **settings, **self.settings)
