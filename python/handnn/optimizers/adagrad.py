"""AdaGrad: steps that shrink where gradients have been large."""

from __future__ import annotations

from typing import Any

from handnn import functional
from handnn.arrays import Array, positive_number
from handnn.optimizers.optimizer import GradientOptimizer


class AdaGrad(GradientOptimizer):
    """Steps that shrink where gradients have been large.

        g = grad + weight_decay·param
        square = square + g²
        param = param - lr·g / (sqrt(square) + eps)

    Squares start at 0. For the other arguments see `GradientOptimizer`. Raises ValueError when a
    number is negative or not finite, or eps is 0, and TypeError when one is no number. (Duchi,
    Hazan and Singer 2011, section 1.)
    """

    kind = "adagrad"
    formulas = (
        "g = grad + weight_decay·param",
        "square = square + g²",
        "param = param - lr·g / (sqrt(square) + eps)",
    )

    def __init__(
        self, lr: float = 0.01, eps: float = 1e-10, weight_decay: float = 0.0, **common: Any
    ) -> None:
        super().__init__(lr, weight_decay=weight_decay, **common)
        self.eps = eps
        self.check()

    def check(self) -> None:
        """Raise TypeError or ValueError when a setting is none that AdaGrad can take."""
        super().check()
        positive_number(self.eps, "AdaGrad: eps")

    @property
    def states(self) -> tuple[str, ...]:
        """The sum of all squared gradients."""
        return ("square",)

    @property
    def settings(self) -> dict[str, Any]:
        """What keeps the division by the root from being one by 0."""
        return {"eps": self.eps}

    def update(self, param: Array, grad: Array, states: list[Any], **settings: Any) -> None:
        """Update `param` and its squares in place."""
        (square,) = states
        functional.adagrad_update(param, grad, square, **settings, **self.settings)
