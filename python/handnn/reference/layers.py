"""The layers in plain NumPy: each forward and each backward in a few lines."""

from __future__ import annotations

import math

import numpy as np

from handnn.arrays import Array


def affine_forward(x: Array, w: Array, b: Array) -> Array:
    """out = x·w + b, with x (N, I), w (I, O), b (O,)."""
    return x @ w + b


def affine_backward(dout: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
    """dx = dout·wᵀ, dw = xᵀ·dout, db = Σ_n dout."""
    dx = dout @ w.T
    dw = x.T @ dout
    db = dout.sum(axis=0)
    return dx, dw, db


def sigmoid_forward(x: Array) -> Array:
    """out = 1 / (1 + exp(-x)), arranged so that the argument of exp is never positive."""
    e: Array = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def sigmoid_backward(dout: Array, out: Array) -> Array:
    """dx = dout·(1 - out)·out."""
    return dout * (1 - out) * out


def relu_forward(x: Array) -> Array:
    """out = 0 where x < 0, else x; 0 and NaN pass through."""
    return np.where(x < 0, np.zeros_like(x), x)


def relu_backward(dout: Array, x: Array) -> Array:
    """dx = 0 where x < 0, else dout."""
    return np.where(x < 0, np.zeros_like(dout), dout)


def leaky_relu_forward(x: Array, slope: float = 0.01) -> Array:
    """out = slope·x where x < 0, else x."""
    return np.where(x < 0, slope * x, x)


def leaky_relu_backward(dout: Array, x: Array, slope: float = 0.01) -> Array:
    """dx = slope·dout where x < 0, else dout."""
    return np.where(x < 0, slope * dout, dout)


def tanh_forward(x: Array) -> Array:
    """out = tanh(x)."""
    return np.tanh(x)


def tanh_backward(dout: Array, out: Array) -> Array:
    """dx = dout·(1 - out)·(1 + out)."""
    return dout * ((1 - out) * (1 + out))


def elu_forward(x: Array, alpha: float = 1.0) -> Array:
    """out = alpha·(exp(x) - 1) where x < 0, else x."""
    return np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x)


def elu_backward(dout: Array, out: Array, alpha: float = 1.0) -> Array:
    """dx = dout·(out + alpha) where out < 0, else dout."""
    return np.where(out < 0, dout * (out + alpha), dout)


def silu_forward(x: Array) -> Array:
    """out = x·sigmoid(x)."""
    return x * sigmoid_forward(x)


def silu_backward(dout: Array, x: Array) -> Array:
    """dx = dout·(s + x·s·(1 - s)) with s = sigmoid(x)."""
    s = sigmoid_forward(x)
    return dout * (s + x * s * (1 - s))


def softplus_forward(x: Array) -> Array:
    """out = log(1 + exp(x)), arranged so that the argument of exp is never positive."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def softplus_backward(dout: Array, x: Array) -> Array:
    """dx = dout·sigmoid(x)."""
    return dout * sigmoid_forward(x)


_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def _normal_cdf(x: Array) -> Array:
    """Φ(x) = erfc(-x / √2) / 2; (1 + erf(x / √2)) / 2 is inaccurate where x < 0."""
    return np.asarray(_erfc(-x / math.sqrt(2)) / 2, x.dtype)


def _normal_pdf(x: Array) -> Array:
    """φ(x) = exp(-x²/2) / √(2π), the derivative of Φ."""
    return np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def gelu_forward(x: Array) -> Array:
    """out = x·Φ(x)."""
    return x * _normal_cdf(x)


def gelu_backward(dout: Array, x: Array) -> Array:
    """dx = dout·(Φ(x) + x·φ(x))."""
    return dout * (_normal_cdf(x) + x * _normal_pdf(x))


def _gelu_tanh_argument(x: Array) -> tuple[Array, Array]:
    """2u and its derivative, with u = √(2/π)·(x + 0.044715·x³); (1 + tanh(u)) / 2 = sigmoid(2u)."""
    k = 2 * math.sqrt(2 / math.pi)
    return k * x * (1 + 0.044715 * x * x), k * (1 + 3 * 0.044715 * x * x)


def gelu_tanh_forward(x: Array) -> Array:
    """out = x·(1 + tanh(u)) / 2 with u = √(2/π)·(x + 0.044715·x³)."""
    return x * sigmoid_forward(_gelu_tanh_argument(x)[0])


def gelu_tanh_backward(dout: Array, x: Array) -> Array:
    """dx = dout·(s + x·s·(1 - s)·d(2u)/dx) with s = sigmoid(2u)."""
    t, slope = _gelu_tanh_argument(x)
    s = sigmoid_forward(t)
    return dout * (s + x * s * (1 - s) * slope)


def _split_mix(state: int) -> int:
    """Return the first number of SplitMix64 from `state`."""
    state = (state + 0x9E3779B97F4A7C15) % 2**64
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    state = (state ^ (state >> 27)) * 0x94D049BB133111EB % 2**64
    return state ^ (state >> 31)


def _dropout_hash(
    shape: tuple[int, ...], seed: int, step: int, first: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint32]]:
    """Return a number from 0 to 2³² - 1 for each entry; the first has the index `first`."""
    key = _split_mix((_split_mix(seed) + step) % 2**64)
    hashed = np.arange(math.prod(shape)).astype(np.uint32)
    hashed += np.uint32(first % 2**32)
    hashed *= np.uint32(0x9E3779B9)
    hashed += np.uint32(key % 2**32)
    hashed ^= hashed >> np.uint32(16)
    hashed *= np.uint32(0x7FEB352D)
    hashed ^= hashed >> np.uint32(15)
    hashed += np.uint32(key >> 32)
    hashed *= np.uint32(0x846CA68B)
    hashed ^= hashed >> np.uint32(16)
    return hashed.reshape(shape)


def dropout_forward(x: Array, p: float, seed: int, step: int, *, first: int = 0) -> Array:
    """out = x / (1 - p) where the hash of (seed, step, first + entry) is at least p·2³², else 0."""
    threshold = min(int(p * 2**32 + 0.5), 2**32 - 1)
    return np.where(_dropout_hash(x.shape, seed, step, first) >= threshold, x * (1 / (1 - p)), 0)


def dropout_backward(dout: Array, p: float, seed: int, step: int, *, first: int = 0) -> Array:
    """dx = dout / (1 - p) for the entries that forward kept, else 0."""
    return dropout_forward(dout, p, seed, step, first=first)


def embedding_forward(x: Array, w: Array, column: int = 0) -> Array:
    """out = the columns of x except the codes, then the row of w for each code."""
    codes = x[:, column].astype(int)
    return np.hstack([np.delete(x, column, axis=1), w[codes]])


def embedding_backward(dout: Array, x: Array, w: Array, column: int = 0) -> tuple[Array, Array]:
    """dx = the first columns of dout, with 0 for the codes; dw[code] = Σ of its last columns."""
    n_numeric = x.shape[1] - 1
    dx = np.insert(dout[:, :n_numeric], column, 0, axis=1)
    dw = np.zeros_like(w)
    np.add.at(dw, x[:, column].astype(int), dout[:, n_numeric:])
    return dx, dw


def residual_forward(x: Array, w: Array, b: Array) -> Array:
    """out = x + block(x), here with an affine block: out = x + (x·w + b)."""
    return x + affine_forward(x, w, b)


def residual_backward(dout: Array, w: Array) -> Array:
    """dx = dout + the dx of the block, here dout + dout·wᵀ."""
    return dout + dout @ w.T


def softmax_forward(x: Array) -> Array:
    """out = exp(x - m) / Σ_o exp(x - m) with m the maximum of the row."""
    if x.shape[1] == 0:
        return x.copy()
    e: Array = np.exp(x - x.max(axis=1, keepdims=True))
    out: Array = e / e.sum(axis=1, keepdims=True)
    return out


def softmax_backward(dout: Array, out: Array) -> Array:
    """dx = out·(dout - Σ_o dout·out)."""
    total: Array = (dout * out).sum(axis=1, keepdims=True)
    return out * (dout - total)


def _mean(x: Array, axis: int) -> Array:
    """Return the mean along an axis; unlike `np.mean`, it does not warn if the axis is empty."""
    mean: Array = x.sum(axis=axis, keepdims=True) / x.shape[axis]
    return mean


def layer_norm_forward(
    x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5
) -> tuple[Array, Array, Array]:
    """out = (x - mean)·rstd·gamma + beta, mean and rstd = 1 / √(var + eps) of each row."""
    mean = _mean(x, 1)
    rstd: Array = 1 / np.sqrt(_mean((x - mean) ** 2, 1) + eps)
    return (x - mean) * rstd * gamma + beta, mean[:, 0], rstd[:, 0]


def layer_norm_backward(
    dout: Array, x: Array, gamma: Array, mean: Array, rstd: Array
) -> tuple[Array, Array, Array]:
    """dx = rstd·(g - mean(g) - x_hat·mean(g·x_hat)), g = dout·gamma; dgamma; dbeta."""
    rstd = rstd[:, None]
    x_hat, g = (x - mean[:, None]) * rstd, dout * gamma
    dx = rstd * (g - _mean(g, 1) - x_hat * _mean(g * x_hat, 1))
    return dx, (dout * x_hat).sum(axis=0), dout.sum(axis=0)


def batch_norm_statistics(x: Array) -> tuple[Array, Array]:
    """The mean and the biased variance of each column."""
    mean = _mean(x, 0)
    return mean[0], _mean((x - mean) ** 2, 0)[0]


def batch_norm_update(
    running_mean: Array,
    running_var: Array,
    mean: Array,
    var: Array,
    *,
    rows: int,
    momentum: float = 0.1,
) -> tuple[Array, Array]:
    """running = (1 - momentum)·running + momentum·batch, with the batch's unbiased variance."""
    keep = 1 - momentum
    unbiased = var * (rows / (rows - 1))
    return keep * running_mean + momentum * mean, keep * running_var + momentum * unbiased


def batch_norm_forward(
    x: Array, gamma: Array, beta: Array, mean: Array, var: Array, *, eps: float = 1e-5
) -> Array:
    """out = (x - mean)·gamma / √(var + eps) + beta."""
    scale: Array = gamma / np.sqrt(var + eps)
    return (x - mean) * scale + beta


def batch_norm_backward(
    dout: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    var: Array,
    *,
    eps: float = 1e-5,
    training: bool = True,
) -> tuple[Array, Array, Array]:
    """dx = gamma·rstd·(dout - dbeta/N - x_hat·dgamma/N), or gamma·rstd·dout; dgamma; dbeta."""
    rstd: Array = 1 / np.sqrt(var + eps)
    x_hat = (x - mean) * rstd
    dgamma, dbeta = (dout * x_hat).sum(axis=0), dout.sum(axis=0)
    if not training:
        return gamma * rstd * dout, dgamma, dbeta
    N = len(x)
    return gamma * rstd * (dout - dbeta / N - x_hat * (dgamma / N)), dgamma, dbeta
