"""Calls of the optimizers' updates, and their bounds."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import DTypeLike

from handnn.arrays import Array
from handnn.reference import optimizers
from handnn.reference.bounds import Bound, Bounds, of_sum
from handnn.reference.calls.call import Call

Results = tuple[Array, ...]


def sgd_bound(
    dtype: DTypeLike,
    expected: Results,
    param: Array,
    grad: Array,
    velocity: Array | None,
    *,
    nesterov: bool,
    **settings: float,
) -> Bounds:
    """Bound the results by the reference on absolute values, with a negative rate."""
    settings["lr"] *= -1
    param_sum, velocity_sum = optimizers.sgd_update(
        abs(param),
        abs(grad),
        None if velocity is None else abs(velocity),
        nesterov=nesterov,
        **settings,
    )
    # Terms: param, grad, decay, velocity; Nesterov has the last three twice.
    bound = of_sum(param_sum, 7 if nesterov else 4, dtype)
    return (bound,) if velocity_sum is None else (bound, of_sum(velocity_sum, 3, dtype))


def gradient_size(
    param: Array,
    grad: Array,
    weight_decay: float,
    grad_scale: float,
    clip_value: float,
) -> tuple[Array, Array]:
    """Return g = grad, scaled and clipped, + weight_decay·param, and Σ|terms| of g."""
    g = np.clip(grad * grad_scale, -clip_value, clip_value)
    return g + weight_decay * param, abs(g) + weight_decay * abs(param)


def quotient_size(value: Array, size: Array, weight: float, g_size: Array, divisor: Array) -> Array:
    """Return Σ|terms| of value / divisor, the divisor being √(... + weight·g²) + eps.

    size: Σ|terms| of the value. An error d of g makes one of weight·|g|·d / √(...) of the root, at
    most √weight·d, since the root is at least √weight·|g|.
    """
    return size / divisor + abs(value) * math.sqrt(weight) * g_size / divisor**2


def adagrad_bound(
    dtype: DTypeLike,
    expected: Results,
    param: Array,
    grad: Array,
    square: Array,
    *,
    lr: float,
    eps: float,
    **shared: float,
) -> Bounds:
    """Bound the param with six roundings: itself, lr, grad, decay, the root and the quotient."""
    g, size = gradient_size(param, grad, **shared)
    steps = quotient_size(g, size, 1, size, np.sqrt(expected[1]) + eps)
    return of_sum(abs(param) + lr * steps, 6, dtype), of_sum(square + size**2, 4, dtype)


def rmsprop_bound(
    dtype: DTypeLike,
    expected: Results,
    param: Array,
    grad: Array,
    square: Array,
    velocity: Array | None,
    **settings: float,
) -> Bounds:
    """Bound the results like AdaGrad's, with one more rounding for the velocity."""
    lr, alpha, eps, momentum = (settings.pop(name) for name in ("lr", "alpha", "eps", "momentum"))
    g, size = gradient_size(param, grad, **settings)
    steps = quotient_size(g, size, 1 - alpha, size, np.sqrt(expected[1]) + eps)
    if velocity is not None:
        steps = momentum * abs(velocity) + steps
    bounds: tuple[Bound, ...] = (
        of_sum(abs(param) + lr * steps, 7, dtype),
        of_sum(alpha * square + (1 - alpha) * size**2, 4, dtype),
        of_sum(steps, 6, dtype),
    )
    return bounds[: len(expected)]


def adam_bound(
    dtype: DTypeLike,
    expected: Results,
    param: Array,
    grad: Array,
    mean: Array,
    square: Array,
    **settings: float,
) -> Bounds:
    """Bound the results like RMSProp's, with the mean as numerator."""
    lr, beta1, beta2, eps = (settings.pop(name) for name in ("lr", "beta1", "beta2", "eps"))
    step = settings.pop("step")
    if settings.pop("decoupled"):
        settings["weight_decay"] = 0.0
    _, size = gradient_size(param, grad, **settings)
    mean_size = beta1 * abs(mean) + (1 - beta1) * size
    correction = 1 - beta2**step
    divisor = np.sqrt(expected[2] / correction) + eps
    steps = quotient_size(expected[1], mean_size, (1 - beta2) / correction, size, divisor)
    return (
        of_sum(abs(param) + lr / (1 - beta1**step) * steps, 7, dtype),
        of_sum(mean_size, 4, dtype),
        of_sum(beta2 * square + (1 - beta2) * size**2, 4, dtype),
    )


def sum_of_squares_bound(dtype: DTypeLike, expected: Results, x: Array) -> Bounds:
    """Bound the sum of squares, which is computed in float64."""
    return (of_sum(expected[0], x.size, np.float64),)


def update(
    kind: str,
    bound: Callable[..., Bounds],
    states: tuple[str, ...],
    variant: str = "",
    **options: object,
) -> Call:
    """Return the call of an update with lr = 0.1, these states and these options."""
    return Call(
        f"{kind}_update",
        dict.fromkeys(("param", "grad", *states), "NO"),
        bound,
        state=("param", *states),
        options={"lr": 0.1, **options},
        variant=variant,
    )


MOMENTUM = {"momentum": 0.9, "weight_decay": 0.01}
CLIPPED = {"weight_decay": 0.01, "grad_scale": 0.7, "clip_value": 1.5}

CALLS = [
    update("sgd", sgd_bound, ()),
    update("sgd", sgd_bound, ("velocity",), "momentum", **MOMENTUM),
    update("sgd", sgd_bound, ("velocity",), "nesterov", nesterov=True, **MOMENTUM),
    update("sgd", sgd_bound, ("velocity",), "clipped", momentum=0.9, **CLIPPED),
    update("adagrad", adagrad_bound, ("square",)),
    update("adagrad", adagrad_bound, ("square",), "clipped", eps=0.03, **CLIPPED),
    update("rmsprop", rmsprop_bound, ("square",)),
    update(
        "rmsprop",
        rmsprop_bound,
        ("square", "velocity"),
        "momentum, clipped",
        alpha=0.8,
        momentum=0.9,
        **CLIPPED,
    ),
    update("adam", adam_bound, ("mean", "square"), step=1),
    update("adam", adam_bound, ("mean", "square"), "clipped", step=1000, beta1=0.8, **CLIPPED),
    update(
        "adam",
        adam_bound,
        ("mean", "square"),
        "decoupled",
        step=7,
        decoupled=True,
        weight_decay=0.3,
    ),
    Call("sum_of_squares", {"x": "NO"}, sum_of_squares_bound),
]
