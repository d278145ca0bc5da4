"""Adam, and AdamW: the mean of the gradients divided by the root of the mean of their squares."""

from __future__ import annotations

from typing import Any, ClassVar

from handnn import functional
from handnn.arrays import Array, fraction, positive_number
from handnn.optimizers.optimizer import GradientOptimizer


class Adam(GradientOptimizer):
    """The running mean of the gradients divided by the root of the running mean of their squares.

        g = grad + weight_decay·param
        mean = beta1·mean + (1 - beta1)·g
        square = beta2·square + (1 - beta2)·g²
        param = param - lr / (1 - beta1^t)·mean / (sqrt(square / (1 - beta2^t)) + eps)

    t is the number of the step, from 1; means and squares start at 0. For the other arguments see
    `GradientOptimizer`. Raises ValueError when a number is negative or not finite, a beta is not
    below 1 or eps is 0, and TypeError when one is no number. (Kingma and Ba 2015, algorithm 1.)
    """

    kind = "adam"
    formulas: ClassVar[tuple[str, ...]] = (
        "g = grad + weight_decay·param",
        "mean = beta1·mean + (1 - beta1)·g",
        "square = beta2·square + (1 - beta2)·g²",
        "param = param - lr / (1 - beta1^t)·mean / (sqrt(square / (1 - beta2^t)) + eps)",
    )

    def __init__(
        self,
        lr: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        **common: Any,
    ) -> None:
        super().__init__(lr, weight_decay=weight_decay, **common)
        self.beta1 = beta1
        self.beta2 = beta2
        self.eps = eps
        self.check()

    def check(self) -> None:
        """Raise TypeError or ValueError when a setting is none that Adam can take."""
        super().check()
        name = type(self).__name__
        fraction(self.beta1, f"{name}: beta1", is_below_one=True)
        fraction(self.beta2, f"{name}: beta2", is_below_one=True)
        positive_number(self.eps, f"{name}: eps")

    @property
    def states(self) -> tuple[str, ...]:
        """The running means of the gradients and of their squares."""
        return ("mean", "square")

    @property
    def settings(self) -> dict[str, Any]:
        """The weights of what was, and what keeps a division from being one by 0."""
        return {"beta1": self.beta1, "beta2": self.beta2, "eps": self.eps}

    def update(self, param: Array, grad: Array, states: list[Any], **settings: Any) -> None:
        """Update `param` and its means in place."""
        mean, square = states
        functional.adam_update(
            param,
            grad,
            mean,
            square,
            step=self.steps + 1,
            decoupled=self.decoupled,
            **settings,
            **self.settings,
        )


class AdamW(Adam):
    """Adam whose weight decay is no part of the gradient: param is shrunk by lr·weight_decay first.

    ``param = (1 - lr·weight_decay)·param``, then a step of Adam with g = grad. (Loshchilov and
    Hutter 2019, algorithm 2; the default weight decay is PyTorch's.)
    """

    decoupled = True
    formulas = ("param = (1 - lr·weight_decay)·param", "g = grad", *Adam.formulas[1:])

    def __init__(
        self,
        lr: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        **common: Any,
    ) -> None:
        super().__init__(lr, beta1, beta2, eps, weight_decay, **common)
