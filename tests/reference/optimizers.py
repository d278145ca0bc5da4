"""The optimizers again in plain NumPy, and what they share."""

from __future__ import annotations

import math

import numpy as np


def _prepared(grad, param, weight_decay, grad_scale, clip_value):
    """grad scaled, each entry held within ± clip_value, and then the coupled weight decay."""
    return np.clip(grad * grad_scale, -clip_value, clip_value) + weight_decay * param


def sgd_update(
    param,
    grad,
    velocity=None,
    *,
    lr,
    momentum=0.0,
    nesterov=False,
    weight_decay=0.0,
    grad_scale=1.0,
    clip_value=math.inf,
):
    """PyTorch's convention; returns the new param and the new velocity (None stays None)."""
    g = _prepared(grad, param, weight_decay, grad_scale, clip_value)
    if velocity is None:
        return param - lr * g, None
    velocity = momentum * velocity + g
    step = g + momentum * velocity if nesterov else velocity
    return param - lr * step, velocity


def adagrad_update(
    param,
    grad,
    square,
    *,
    lr,
    eps=1e-10,
    weight_decay=0.0,
    grad_scale=1.0,
    clip_value=math.inf,
):
    """square grows by g², the step is g / (√square + eps); returns the new param and square."""
    g = _prepared(grad, param, weight_decay, grad_scale, clip_value)
    square = square + g * g
    return param - lr * g / (np.sqrt(square) + eps), square


def rmsprop_update(
    param,
    grad,
    square,
    velocity=None,
    *,
    lr,
    alpha=0.99,
    eps=1e-8,
    momentum=0.0,
    weight_decay=0.0,
    grad_scale=1.0,
    clip_value=math.inf,
):
    """As AdaGrad with a running mean of g²; returns velocity last (None stays None)."""
    g = _prepared(grad, param, weight_decay, grad_scale, clip_value)
    square = alpha * square + (1 - alpha) * g * g
    step = g / (np.sqrt(square) + eps)
    if velocity is None:
        return param - lr * step, square, None
    velocity = momentum * velocity + step
    return param - lr * velocity, square, velocity


def adam_update(
    param,
    grad,
    mean,
    square,
    *,
    step,
    lr,
    beta1=0.9,
    beta2=0.999,
    eps=1e-8,
    decoupled=False,
    weight_decay=0.0,
    grad_scale=1.0,
    clip_value=math.inf,
):
    """Both means are divided by what they lack after `step` steps; returns param, mean, square."""
    g = _prepared(grad, param, 0.0 if decoupled else weight_decay, grad_scale, clip_value)
    mean = beta1 * mean + (1 - beta1) * g
    square = beta2 * square + (1 - beta2) * g * g
    mean_now, square_now = mean / (1 - beta1**step), square / (1 - beta2**step)
    if decoupled:
        param = param - lr * weight_decay * param
    return param - lr * mean_now / (np.sqrt(square_now) + eps), mean, square


def sum_of_squares(x):
    """In float64, whatever x is."""
    return float(np.sum(np.square(x, dtype=np.float64)))


def clip_scale(clip_norm, sum_of_squares):
    """min(1, clip_norm / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_ has it."""
    return np.minimum(1.0, clip_norm / (np.sqrt(sum_of_squares) + 1e-6))
