"""The kernels of the optimizers: see `handnn.functional`."""

from __future__ import annotations

import math

from numpy.typing import ArrayLike

from handnn import _core
from handnn.arrays import Array, whole_number

__all__ = [
    "adagrad_update",
    "adam_update",
    "clip_scale",
    "rmsprop_update",
    "sgd_update",
    "sum_of_squares",
]

Updates = _core.Updates
"""A block ``with Updates():`` checks each update when it is requested, and performs all of them at
its end, in one call. So an error in the block changes no param.
"""


def sgd_update(
    param: Array,
    grad: ArrayLike,
    velocity: Array | None = None,
    *,
    lr: float,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    grad_scale: float = 1.0,
    clip_value: float = math.inf,
) -> None:
    """Take one step of gradient descent: `param` and `velocity` are updated in place.

        g = grad + weight_decay · param
        velocity = momentum · velocity + g
        step = g + momentum · velocity if nesterov else velocity
        param = param - lr · step

    param, grad, velocity: one shape, any. Without a velocity the step is g, and a momentum other
    than 0 raises ValueError. `param` and `velocity` have the requirements of ``out=``. The formulas
    are PyTorch's (Sutskever et al. 2013, eq. 1-4, with lr outside the velocity).

    Every optimizer in this module first multiplies grad by `grad_scale` and then clips each entry
    to ± `clip_value`.

    Examples:
        >>> from handnn import functional
        >>> param = np.array([1.0, 2.0])
        >>> functional.sgd_update(param, [1, 1], lr=0.5)
        >>> param
        array([0.5, 1.5])
    """
    if velocity is None and momentum != 0:
        raise ValueError("sgd_update: momentum needs a velocity to keep, but velocity is None")
    settings = {
        "lr": lr,
        "momentum": momentum,
        "nesterov": nesterov,
        "weight_decay": weight_decay,
        "grad_scale": grad_scale,
        "clip_value": clip_value,
    }
    _core.optimizer_update("sgd", param, grad, velocity, None, settings)


def adagrad_update(
    param: Array,
    grad: ArrayLike,
    square: Array,
    *,
    lr: float,
    eps: float = 1e-10,
    weight_decay: float = 0.0,
    grad_scale: float = 1.0,
    clip_value: float = math.inf,
) -> None:
    """Take one step of AdaGrad: `param` and `square` are updated in place.

        square = square + g²
        param = param - lr · g / (sqrt(square) + eps)

    g is grad + weight_decay · param, grad scaled and clipped (see `sgd_update`). param, grad,
    square: one shape, any; they have the requirements of ``out=``. (Duchi,
    Hazan and Singer 2011, section 1.)

    Examples:
        >>> from handnn import functional
        >>> param, square = np.array([1.0]), np.zeros(1)
        >>> functional.adagrad_update(param, [2], square, lr=0.5, eps=0)
        >>> param
        array([0.5])
    """
    settings = {
        "lr": lr,
        "eps": eps,
        "weight_decay": weight_decay,
        "grad_scale": grad_scale,
        "clip_value": clip_value,
    }
    _core.optimizer_update("adagrad", param, grad, square, None, settings)


def rmsprop_update(
    param: Array,
    grad: ArrayLike,
    square: Array,
    velocity: Array | None = None,
    *,
    lr: float,
    alpha: float = 0.99,
    eps: float = 1e-8,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    grad_scale: float = 1.0,
    clip_value: float = math.inf,
) -> None:
    """Take one step of RMSProp: `param`, `square` and `velocity` are updated in place.

        square = alpha · square + (1 - alpha) · g²
        velocity = momentum · velocity + g / (sqrt(square) + eps)
        param = param - lr · velocity

    g is grad + weight_decay · param, grad scaled and clipped (see `sgd_update`). param, grad,
    square, velocity: one shape, any; they have the requirements of ``out=``. Without a velocity, a
    momentum other than 0 raises ValueError. (Tieleman and Hinton 2012; the conventions are
    PyTorch's.)

    Examples:
        >>> from handnn import functional
        >>> param, square = np.array([1.0]), np.zeros(1)
        >>> functional.rmsprop_update(param, [2], square, lr=0.5, alpha=0.75, eps=0)
        >>> param
        array([0.])
    """
    if velocity is None and momentum != 0:
        raise ValueError("rmsprop_update: momentum needs a velocity to keep, but velocity is None")
    settings = {
        "lr": lr,
        "alpha": alpha,
        "eps": eps,
        "momentum": momentum,
        "weight_decay": weight_decay,
        "grad_scale": grad_scale,
        "clip_value": clip_value,
    }
    _core.optimizer_update("rmsprop", param, grad, square, velocity, settings)


def adam_update(
    param: Array,
    grad: ArrayLike,
    mean: Array,
    square: Array,
    *,
    step: int,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    decoupled: bool = False,
    weight_decay: float = 0.0,
    grad_scale: float = 1.0,
    clip_value: float = math.inf,
) -> None:
    """Take step number `step`, from 1, of Adam: `param`, `mean` and `square` are updated in place.

        mean = beta1 · mean + (1 - beta1) · g
        square = beta2 · square + (1 - beta2) · g²
        param = param - lr / (1 - beta1^step) · mean / (sqrt(square / (1 - beta2^step)) + eps)

    g is grad + weight_decay · param, grad scaled and clipped (see `sgd_update`). decoupled: weight
    decay is not added, but param is multiplied by 1 - lr · weight_decay first (AdamW). param, grad,
    mean, square: one shape, any; they have the requirements of ``out=``. A step below 1 raises
    ValueError. (Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2019, algorithm 2.)

    Examples:
        >>> from handnn import functional
        >>> param, mean, square = np.array([1.0]), np.zeros(1), np.zeros(1)
        >>> functional.adam_update(
        ...     param, [2], mean, square, step=1, lr=0.5, beta1=0.5, beta2=0.75, eps=0
        ... )
        >>> param
        array([0.5])
    """
    settings = {
        "step": whole_number(step, "adam_update: step"),
        "lr": lr,
        "beta1": beta1,
        "beta2": beta2,
        "eps": eps,
        "decoupled": decoupled,
        "weight_decay": weight_decay,
        "grad_scale": grad_scale,
        "clip_value": clip_value,
    }
    _core.optimizer_update("adam", param, grad, mean, square, settings)


def sum_of_squares(x: ArrayLike) -> float:
    """Return the sum of the squares of all entries of x, in float64 and in one fixed order.

    Examples:
        >>> from handnn import functional
        >>> functional.sum_of_squares([3, 4])
        25.0
    """
    return _core.sum_of_squares(x)


def clip_scale(clip_norm: float, sum_of_squares: float) -> float:
    """Return min(1, clip_norm / (sqrt(sum_of_squares) + 1e-6)).

    Gradients multiplied by it have a norm of at most clip_norm (PyTorch's convention). NaN
    stays NaN.

    Examples:
        >>> from handnn import functional
        >>> round(functional.clip_scale(2.5, 25), 6)
        0.5
    """
    return _core.clip_scale(clip_norm, sum_of_squares)
