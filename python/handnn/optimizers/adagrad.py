"""AdaGrad: steps divided by the root of the sum of all squared gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from handnn import functional
from handnn.arrays import Array, positive_number
from handnn.optimizers.optimizer import CommonSettings, GradientOptimizer, UpdateSettings


class AdaGrad(GradientOptimizer):
    """Divide each gradient by the root of the sum of all its squares so far.

        g = grad + weight_decay·param
        square = square + g²
        param = param - lr·g / (sqrt(square) + eps)

    Squares start at 0. (Duchi, Hazan and Singer 2011, section 1.)

    eps: added to the denominator for numerical stability; above 0.
    common: the arguments of `GradientOptimizer`; see there also for errors.

    Examples:
        >>> params = {"w": np.array([0.0])}
        >>> optimizer = handnn.AdaGrad(lr=8.0, eps=1.0)
        >>> optimizer.step(params, {"w": np.array([3.0])})  # square = 9
        >>> params["w"]
        array([-6.])
    """

    kind = "adagrad"
    formulas = (
        "g = grad + weight_decay·param",
        "square = square + g²",
        "param = param - lr·g / (sqrt(square) + eps)",
    )

    def __init__(
        self,
        lr: float = 0.01,
        eps: float = 1e-10,
        weight_decay: float = 0.0,
        **common: Unpack[CommonSettings],
    ) -> None:
        super().__init__(lr, weight_decay=weight_decay, **common)
        self.eps = eps
        self.check()

    def check(self) -> None:
        """Raise TypeError or ValueError if a setting is invalid."""
        super().check()
        positive_number(self.eps, "AdaGrad: eps")

    @property
    def states(self) -> tuple[str, ...]:
        """The sum of the squared gradients."""
        return ("square",)

    @property
    def settings(self) -> dict[str, float]:
        """The term added to the denominator."""
        return {"eps": self.eps}

    def update(
        self, param: Array, grad: Array, states: Sequence[Array], **shared: Unpack[UpdateSettings]
    ) -> None:
        """Update `param` and its squares in place."""
        (square,) = states
        functional.adagrad_update(param, grad, square, eps=self.eps, **shared)
