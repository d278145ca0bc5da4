"""Adam and AdamW: the running mean of the gradients over the root of that of their squares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Unpack

from handnn import functional
from handnn.arrays import Array, fraction, positive_number
from handnn.optimizers.optimizer import CommonSettings, GradientOptimizer, UpdateSettings


class Adam(GradientOptimizer):
    """Divide the running mean of the gradients by the root of the running mean of their squares.

        g = grad + weight_decay·param
        mean = beta1·mean + (1 - beta1)·g
        square = beta2·square + (1 - beta2)·g²
        param = param - lr / (1 - beta1^t)·mean / (sqrt(square / (1 - beta2^t)) + eps)

    t is the number of the step, from 1. Means and squares start at 0, which the powers of the betas
    correct. (Kingma and Ba 2015, algorithm 1.)

    beta1, beta2: the weights of the past in the running means; at least 0 and below 1.
    eps: added to the denominator for numerical stability; above 0.
    common: the arguments of `GradientOptimizer`; see there also for errors.

    Examples:
        >>> params = {"w": np.array([1.0])}
        >>> optimizer = handnn.Adam(lr=0.5, beta1=0.5, beta2=0.75, eps=4.0)
        >>> optimizer.step(params, {"w": np.array([4.0])})  # 4 / (sqrt(16) + 4) = 1/2
        >>> params["w"]
        array([0.75])
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
        **common: Unpack[CommonSettings],
    ) -> None:
        super().__init__(lr, weight_decay=weight_decay, **common)
        self.beta1 = beta1
        self.beta2 = beta2
        self.eps = eps
        self.check()

    def check(self) -> None:
        """Raise TypeError or ValueError if a setting is invalid."""
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
    def settings(self) -> dict[str, float]:
        """The weights of the past, and the term added to the denominator."""
        return {"beta1": self.beta1, "beta2": self.beta2, "eps": self.eps}

    def update(
        self, param: Array, grad: Array, states: Sequence[Array], **shared: Unpack[UpdateSettings]
    ) -> None:
        """Update `param` and its means in place."""
        mean, square = states
        functional.adam_update(
            param,
            grad,
            mean,
            square,
            step=self.steps + 1,
            beta1=self.beta1,
            beta2=self.beta2,
            eps=self.eps,
            decoupled=self.decoupled,
            **shared,
        )


class AdamW(Adam):
    """Adam with decoupled weight decay: shrink the param, then take a step of Adam without decay.

        param = (1 - lr·weight_decay)·param
        g = grad, and mean, square and param as in Adam

    (Loshchilov and Hutter 2019, algorithm 2; the default weight_decay is PyTorch's.)

    The arguments and errors are those of `Adam`.

    Examples:
        >>> params = {"w": np.array([4.0])}
        >>> optimizer = handnn.AdamW(lr=0.5, weight_decay=0.25)
        >>> optimizer.step(params, {"w": np.array([0.0])})
        >>> params["w"]
        array([3.5])
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
        **common: Unpack[CommonSettings],
    ) -> None:
        super().__init__(lr, beta1, beta2, eps, weight_decay, **common)
