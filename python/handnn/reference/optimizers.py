"""The optimizers in plain NumPy, and clipping by norm."""

from __future__ import annotations

import math

import numpy as np

from handnn.arrays import Array


def _prepared(
    grad: Array, param: Array, weight_decay: float, grad_scale: float, clip_value: float
) -> Array:
    """g = grad·grad_scale, each entry clipped to ± clip_value, + weight_decay·param."""
    clipped: Array = np.clip(grad * grad_scale, -clip_value, clip_value)
    return clipped + weight_decay * param


def sgd_update(
    param: Array,
    grad: Array,
    velocity: Array | None = None,
    *,
    lr: float,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    grad_scale: float = 1.0,
    clip_value: float = math.inf,
) -> tuple[Array, Array | None]:
    """Return the new param and velocity; lr is outside the velocity, as in PyTorch."""
    g = _prepared(grad, param, weight_decay, grad_scale, clip_value)
    if velocity is None:
        return param - lr * g, None
    velocity = momentum * velocity + g
    step = g + momentum * velocity if nesterov else velocity
    return param - lr * step, velocity


def adagrad_update(
    param: Array,
    grad: Array,
    square: Array,
    *,
    lr: float,
    eps: float = 1e-10,
    weight_decay: float = 0.0,
    grad_scale: float = 1.0,
    clip_value: float = math.inf,
) -> tuple[Array, Array]:
    """Return param - lr·g / (√square + eps) and the new square, square + g²."""
    g = _prepared(grad, param, weight_decay, grad_scale, clip_value)
    square = square + g * g
    return param - lr * g / (np.sqrt(square) + eps), square


def rmsprop_update(
    param: Array,
    grad: Array,
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
) -> tuple[Array, Array, Array | None]:
    """Return the new param, square and velocity: as AdaGrad, with a running mean of g²."""
    g = _prepared(grad, param, weight_decay, grad_scale, clip_value)
    square = alpha * square + (1 - alpha) * g * g
    step = g / (np.sqrt(square) + eps)
    if velocity is None:
        return param - lr * step, square, None
    velocity = momentum * velocity + step
    return param - lr * velocity, square, velocity


def adam_update(
    param: Array,
    grad: Array,
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
) -> tuple[Array, Array, Array]:
    """Return the new param, mean and square; both means are corrected for starting at 0."""
    g = _prepared(grad, param, 0.0 if decoupled else weight_decay, grad_scale, clip_value)
    mean = beta1 * mean + (1 - beta1) * g
    square = beta2 * square + (1 - beta2) * g * g
    mean_now, square_now = mean / (1 - beta1**step), square / (1 - beta2**step)
    if decoupled:
        param = param - lr * weight_decay * param
    return param - lr * mean_now / (np.sqrt(square_now) + eps), mean, square


def sum_of_squares(x: Array) -> float:
    """Σ x², in float64."""
    return float(np.sum(np.square(x, dtype=np.float64)))


def clip_scale(clip_norm: float, sum_of_squares: float) -> float:
    """min(1, clip_norm / (norm + 1e-6)), as in torch.nn.utils.clip_grad_norm_; NaN stays NaN."""
    return float(np.minimum(1.0, clip_norm / (np.sqrt(sum_of_squares) + 1e-6)))
