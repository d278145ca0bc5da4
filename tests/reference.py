"""Every brick again in plain NumPy: the oracle of the tests, and the reader's second text.

The names and the arguments are those of `handnn.functional`; nothing is written in place, and each
function computes in the dtype it is given. N counts rows (samples), I inputs, O outputs.
"""

from __future__ import annotations

import math

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


def leaky_relu_forward(x, slope=0.01):
    """out = slope·x where x < 0, else x."""
    return np.where(x < 0, slope * x, x)


def leaky_relu_backward(dout, x, slope=0.01):
    """dx = slope·dout where x < 0, else dout."""
    return np.where(x < 0, slope * dout, dout)


def tanh_forward(x):
    """out = tanh(x)."""
    return np.tanh(x)


def tanh_backward(dout, out):
    """dx = dout · (1 - out) · (1 + out)."""
    return dout * ((1 - out) * (1 + out))


def elu_forward(x, alpha=1.0):
    """out = alpha·(exp(x) - 1) where x < 0, else x; exp never sees a positive number."""
    return np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x)


def elu_backward(dout, out, alpha=1.0):
    """dx = dout · (out + alpha) where out < 0, else dout."""
    return np.where(out < 0, dout * (out + alpha), dout)


def silu_forward(x):
    """out = x · sigmoid(x)."""
    return x * sigmoid_forward(x)


def silu_backward(dout, x):
    """dx = dout · (s + x·s·(1 - s)) with s = sigmoid(x)."""
    s = sigmoid_forward(x)
    return dout * (s + x * s * (1 - s))


def softplus_forward(x):
    """out = log(1 + exp(x)), written so that exp never sees a positive number."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def softplus_backward(dout, x):
    """dx = dout · sigmoid(x)."""
    return dout * sigmoid_forward(x)


_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def _normal_cdf(x):
    """Φ(x), without the cancellation of (1 + erf(x / √2)) / 2 where x < 0."""
    return np.asarray(_erfc(-x / math.sqrt(2)) / 2, x.dtype)


def _normal_pdf(x):
    """φ(x), the slope of Φ."""
    return np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def gelu_forward(x):
    """out = x · Φ(x)."""
    return x * _normal_cdf(x)


def gelu_backward(dout, x):
    """dx = dout · (Φ(x) + x·φ(x))."""
    return dout * (_normal_cdf(x) + x * _normal_pdf(x))


def _gelu_tanh_argument(x):
    """2u and its slope, u = √(2/π)·(x + 0.044715·x³): the gate (1 + tanh(u)) / 2 is sigmoid(2u)."""
    k = 2 * math.sqrt(2 / math.pi)
    return k * x * (1 + 0.044715 * x * x), k * (1 + 3 * 0.044715 * x * x)


def gelu_tanh_forward(x):
    """out = x · (1 + tanh(u)) / 2 with u = √(2/π)·(x + 0.044715·x³)."""
    return x * sigmoid_forward(_gelu_tanh_argument(x)[0])


def gelu_tanh_backward(dout, x):
    """dx = dout · (s + x·s·(1 - s)·d(2u)/dx) with s = sigmoid(2u)."""
    t, slope = _gelu_tanh_argument(x)
    s = sigmoid_forward(t)
    return dout * (s + x * s * (1 - s) * slope)


def _split_mix(state):
    """The first number of SplitMix64 from this state; Python's ints know no overflow."""
    state = (state + 0x9E3779B97F4A7C15) % 2**64
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    state = (state ^ (state >> 27)) * 0x94D049BB133111EB % 2**64
    return state ^ (state >> 31)


def _dropout_hash(shape, seed, step):
    """A number from 0 to 2³² - 1 for every entry; NumPy's uint32 wraps around."""
    key = _split_mix((_split_mix(seed) + step) % 2**64)
    entries = np.arange(math.prod(shape)).astype(np.uint32)
    hashed = entries * np.uint32(0x9E3779B9) + np.uint32(key % 2**32)
    hashed = (hashed ^ (hashed >> 16)) * np.uint32(0x7FEB352D)
    hashed = (hashed ^ (hashed >> 15)) + np.uint32(key >> 32)
    hashed = hashed * np.uint32(0x846CA68B)
    return (hashed ^ (hashed >> 16)).reshape(shape)


def dropout_forward(x, p, seed, step):
    """out = x / (1 - p) where the hash is at least p·2³², else 0."""
    threshold = min(int(p * 2**32 + 0.5), 2**32 - 1)
    return np.where(_dropout_hash(x.shape, seed, step) >= threshold, x * (1 / (1 - p)), 0)


def dropout_backward(dout, p, seed, step):
    """dx = dout / (1 - p) for the same entries, else 0."""
    return dropout_forward(dout, p, seed, step)


def embedding_forward(x, w, column=0):
    """out = the columns of x but one, then the rows of w that this one names."""
    return np.hstack([np.delete(x, column, axis=1), w[x[:, column].astype(int)]])


def embedding_backward(dout, x, w, column=0):
    """dx = dout's first columns, with 0 for the codes; dw[code] += dout's last columns."""
    numeric = x.shape[1] - 1
    dx = np.insert(dout[:, :numeric], column, 0, axis=1)
    dw = np.zeros_like(w)
    np.add.at(dw, x[:, column].astype(int), dout[:, numeric:])
    return dx, dw


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
