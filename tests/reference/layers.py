"""The layers again in plain NumPy."""

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


def softmax_forward(x):
    """out = exp(x - max) / the sum of these, for each row."""
    if x.shape[1] == 0:
        return x.copy()
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax_backward(dout, out):
    """dx = out · (dout - the sum of dout · out)."""
    return out * (dout - (dout * out).sum(axis=1, keepdims=True))


def _mean(x, axis):
    """x.mean, without its warning when there is nothing to take the mean of."""
    return x.sum(axis=axis, keepdims=True) / x.shape[axis]


def layer_norm_forward(x, gamma, beta, *, eps=1e-5):
    """out = (x - mean)·rstd·gamma + beta with the mean and 1 / √(variance + eps) of each row."""
    mean = _mean(x, 1)
    rstd = 1 / np.sqrt(_mean((x - mean) ** 2, 1) + eps)
    return (x - mean) * rstd * gamma + beta, mean[:, 0], rstd[:, 0]


def layer_norm_backward(dout, x, gamma, mean, rstd):
    """dx = rstd·(g - mean of g - x_hat·mean of g·x_hat) with g = dout·gamma; dgamma; dbeta."""
    rstd = rstd[:, None]
    x_hat, g = (x - mean[:, None]) * rstd, dout * gamma
    dx = rstd * (g - _mean(g, 1) - x_hat * _mean(g * x_hat, 1))
    return dx, (dout * x_hat).sum(axis=0), dout.sum(axis=0)


def batch_norm_statistics(x):
    """The mean and the biased variance of each column."""
    mean = _mean(x, 0)
    return mean[0], _mean((x - mean) ** 2, 0)[0]


def batch_norm_update(running_mean, running_var, mean, var, *, rows, momentum=0.1):
    """Both move by the share momentum, the variance towards the unbiased one."""
    keep = 1 - momentum
    unbiased = var * (rows / (rows - 1))
    return keep * running_mean + momentum * mean, keep * running_var + momentum * unbiased


def batch_norm_forward(x, gamma, beta, mean, var, *, eps=1e-5):
    """out = (x - mean)·gamma / √(var + eps) + beta."""
    return (x - mean) * (gamma / np.sqrt(var + eps)) + beta


def batch_norm_backward(dout, x, gamma, mean, var, *, eps=1e-5, training=True):
    """dx = gamma·rstd·(dout - dbeta / N - x_hat·dgamma / N), or gamma·rstd·dout; dgamma; dbeta."""
    rstd = 1 / np.sqrt(var + eps)
    x_hat = (x - mean) * rstd
    dgamma, dbeta = (dout * x_hat).sum(axis=0), dout.sum(axis=0)
    if not training:
        return gamma * rstd * dout, dgamma, dbeta
    N = len(x)
    return gamma * rstd * (dout - dbeta / N - x_hat * (dgamma / N)), dgamma, dbeta
