"""Every brick again in plain NumPy: the oracle of the tests, and the reader's second text.

The names and the arguments are those of `handnn.functional`; nothing is written in place, and each
function computes in the dtype it is given. N counts rows (samples), I inputs, O outputs.
"""

from __future__ import annotations

import numpy as np


def affine_forward(x, w, b):
    """out = x·w + b, with x (N, I), w (I, O), b (O,)."""
    return np.dot(x, w) + b


def affine_backward(dout, x, w):
    """dx = dout·wᵀ, dw = xᵀ·dout, db = the sum of dout's rows."""
    dx = np.dot(dout, w.T)
    dw = np.dot(x.T, dout)
    db = np.sum(dout, axis=0)
    return dx, dw, db


def sigmoid_forward(x):
    """out = 1 / (1 + exp(-x)), written so that exp never sees a positive number."""
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def sigmoid_backward(dout, out):
    """dx = dout · (1 - out) · out."""
    return dout * (1 - out) * out


def relu_forward(x):
    """out = 0 where x < 0, else x: 0 and NaN pass."""
    return np.where(x < 0, np.zeros_like(x), x)


def relu_backward(dout, x):
    """dx = 0 where x < 0, else dout."""
    return np.where(x < 0, np.zeros_like(dout), dout)


def mse_loss_forward(pre, y_true, *, sample_weight=None):
    """loss = the mean over all N·O entries of (pre - y_true)², each row times its weight."""
    if pre.size == 0:
        return float("nan")
    squares = (pre - y_true.reshape(pre.shape)) ** 2
    if sample_weight is not None:
        squares = sample_weight[:, None] * squares
    return float(np.mean(squares))


def mse_loss_backward(pre, y_true, dout=1.0, *, sample_weight=None, gradient="exact"):
    """exact: 2 (pre - y_true) / (N·O) · dout; article: (pre - y_true) · dout."""
    dx = (pre - y_true.reshape(pre.shape)) * dout
    if gradient == "exact":
        dx = 2 * dx / max(pre.size, 1)
    if sample_weight is not None:
        dx = sample_weight[:, None] * dx
    return dx


def sgd_update(param, grad, velocity=None, *, lr, momentum=0.0, nesterov=False, weight_decay=0.0):
    """PyTorch's convention; returns the new param and the new velocity (None stays None)."""
    grad = grad + weight_decay * param
    if velocity is None:
        return param - lr * grad, None
    velocity = momentum * velocity + grad
    step = grad + momentum * velocity if nesterov else velocity
    return param - lr * step, velocity
