"""Every brick again in plain NumPy, and how far the kernels may be from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from handnn import functional
from handnn.cli.cases import SIZES, Array, Case, Draw
from handnn.cli.loss_parity import LOSSES
from handnn.layers import Affine, Residual

LENGTHS = tuple(range(70))


def affine(draw: Draw) -> Iterator[Case]:
    """out = x·w + b; dx = dout·wᵀ, dw = xᵀ·dout, db = Σ_n dout."""
    for N, I, O in product(SIZES, repeat=3):
        (x, X), (w, W), (b, B), (dout, D) = draw(N, I), draw(I, O), draw(O), draw(N, O)
        magnitude = abs(X) @ abs(W) + abs(B)
        out = functional.affine_forward(x, w, b)
        yield Case("forward", out, X @ W + B, draw.sum_bound(I + 1, magnitude))
        dx, dw, db = functional.affine_backward(dout, x, w)
        yield Case("dx", dx, D @ W.T, draw.sum_bound(O, abs(D) @ abs(W.T)))
        yield Case("dw", dw, X.T @ D, draw.sum_bound(N, abs(X.T) @ abs(D)))
        yield Case("db", db, D.sum(axis=0), draw.sum_bound(N, abs(D).sum(axis=0)))


class Formula(NamedTuple):
    """An activation in NumPy: its output, its slope, and the sizes that their errors grow with.

    `slope` is a function of what forward keeps, x or out. Where terms cancel, a size is the formula
    with a plus in every place; without one it is the absolute value.
    """

    function: str
    out: Callable[[Array], Any]
    slope: Callable[[Array], Any]
    keeps: str = "x"
    setting: tuple[float, ...] = ()
    spread: float = 1.0  # of x: wide, but no result is denormal
    out_size: Callable[[Array], Any] | None = None
    slope_size: Callable[[Array], Any] | None = None

    def cases(self, draw: Draw) -> Iterator[Case]:
        """Compare out, and dx = dout·slope."""
        forward = getattr(functional, f"{self.function}_forward")
        backward = getattr(functional, f"{self.function}_backward")
        for length in LENGTHS:
            x, (dout, D) = draw(length)[0], draw(length)
            x *= x.dtype.type(self.spread)
            X = x.astype(np.float64)
            out, expected = forward(x, *self.setting), self.out(X)
            size = self.out_size(X) if self.out_size else abs(expected)
            yield Case("forward", out, expected, 4 * draw.eps * size)
            kept = out if self.keeps == "out" else x
            K = kept.astype(np.float64)
            dx, slope = backward(dout, kept, *self.setting), self.slope(K)
            size = self.slope_size(K) if self.slope_size else abs(slope)
            yield Case("dx", dx, D * slope, 4 * draw.eps * abs(D) * size)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


def normal_cdf(x: Array) -> Array:
    """Φ(x); erfc, because 1 + erf cancels."""
    return np.array([math.erfc(-entry / math.sqrt(2)) / 2 for entry in x])


def normal_pdf(x: Array) -> Array:
    """φ(x), the slope of Φ."""
    return np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def gate(x: Array) -> tuple[Array, Array, Array]:
    """s = sigmoid(2u), 2u and its slope, where u = √(2/π)·(x + 0.044715·x³)."""
    k = 2 * math.sqrt(2 / math.pi)
    twice_u = k * (x + 0.044715 * x**3)
    return sigmoid(twice_u), twice_u, k * (1 + 3 * 0.044715 * x * x)


def gelu_size(x: Array) -> Any:
    """Φ, and what a relative error of x makes of it."""
    return normal_cdf(x) + abs(x) * normal_pdf(x)


def gate_size(x: Array) -> Any:
    """s, and what a relative error of 2u makes of it."""
    s, twice_u, _ = gate(x)
    return s + abs(twice_u) * s * (1 - s)


def gelu_tanh_slope(x: Array) -> Any:
    """s + x·s·(1 - s) times the slope of 2u, where s = (1 + tanh(u)) / 2."""
    s, _, slope = gate(x)
    return s + x * s * (1 - s) * slope


def gelu_tanh_slope_size(x: Array) -> Any:
    """The same with a plus in every place, each s as wrong as 2u makes it."""
    s, _, slope = gate(x)
    return gate_size(x) + abs(x) * slope * (gate_size(x) + s * s)


ACTIVATIONS = {
    "Sigmoid": Formula("sigmoid", sigmoid, lambda out: (1 - out) * out, "out", spread=4),
    "ReLU": Formula(
        "relu",
        lambda x: np.where(x < 0, 0, x),
        lambda x: np.where(x < 0, 0.0, 1.0),
        out_size=np.zeros_like,
        slope_size=np.zeros_like,
    ),
    "LeakyReLU": Formula(
        "leaky_relu",
        lambda x: np.where(x < 0, 0.3 * x, x),
        lambda x: np.where(x < 0, 0.3, 1.0),
        setting=(0.3,),
    ),
    "Tanh": Formula("tanh", np.tanh, lambda out: (1 - out) * (1 + out), "out"),
    "ELU": Formula(
        "elu",
        lambda x: np.where(x < 0, 0.7 * np.expm1(np.minimum(x, 0)), x),
        lambda out: np.where(out < 0, out + 0.7, 1.0),
        "out",
        setting=(0.7,),
        slope_size=lambda out: np.where(out < 0, abs(out) + 0.7, 1.0),
    ),
    "SiLU": Formula(
        "silu",
        lambda x: x * sigmoid(x),
        lambda x: sigmoid(x) * (1 + x * sigmoid(-x)),
        slope_size=lambda x: sigmoid(x) * (1 + abs(x) * (1 + sigmoid(x))),
    ),
    "Softplus": Formula(
        "softplus", lambda x: np.maximum(x, 0) + np.log1p(np.exp(-abs(x))), sigmoid
    ),
    "GELU": Formula(
        "gelu",
        lambda x: x * normal_cdf(x),
        lambda x: normal_cdf(x) + x * normal_pdf(x),
        out_size=lambda x: abs(x) * gelu_size(x),
        slope_size=lambda x: gelu_size(x) + abs(x) * normal_pdf(x) * (1 + x * x),
    ),
    "GELU tanh": Formula(
        "gelu_tanh",
        lambda x: x * gate(x)[0],
        gelu_tanh_slope,
        spread=0.5,
        out_size=lambda x: abs(x) * gate_size(x),
        slope_size=gelu_tanh_slope_size,
    ),
}


def split_mix(state: int) -> int:
    """The first number of SplitMix64 from this state."""
    state = (state + 0x9E3779B97F4A7C15) % 2**64
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    state = (state ^ (state >> 27)) * 0x94D049BB133111EB % 2**64
    return state ^ (state >> 31)


def dropout(draw: Draw) -> Iterator[Case]:
    """out = x / (1 - p) where a hash of (seed, step, entry) is at least p·2³², else 0."""
    p, seed = 0.3, 7
    for length in LENGTHS:
        (x, X), (dout, D) = draw(length), draw(length)
        key = split_mix(split_mix(seed) + length)
        hashed: Array = np.arange(length).astype(np.uint32) * np.uint32(0x9E3779B9)
        hashed = hashed + np.uint32(key % 2**32)
        hashed = (hashed ^ (hashed >> 16)) * np.uint32(0x7FEB352D)
        hashed = (hashed ^ (hashed >> 15)) + np.uint32(key >> 32)
        hashed = hashed * np.uint32(0x846CA68B)
        factor = ((hashed ^ (hashed >> 16)) >= round(p * 2**32)) / (1 - p)
        out = functional.dropout_forward(x, p, seed, length)
        yield Case("forward", out, X * factor, 4 * draw.eps * abs(X * factor))
        dx = functional.dropout_backward(dout, p, seed, length)
        yield Case("dx", dx, D * factor, 4 * draw.eps * abs(D * factor))


def embedding(draw: Draw) -> Iterator[Case]:
    """out = [x without the codes, w[codes]]; dw[codes] += the last columns of dout."""
    for N, I, O in product(SIZES, repeat=3):
        (x, X), (w, W), (dout, D) = draw(N, I), draw(5, O), draw(N, I - 1 + O)
        column = N % I
        X[:, column] = x[:, column] = codes = np.arange(N) * 3 % 5
        out = functional.embedding_forward(x, w, column)
        yield Case("forward", out, np.hstack([np.delete(X, column, 1), W[codes]]), 0.0)
        dx, dw = functional.embedding_backward(dout, x, w, column)
        yield Case("dx", dx, np.insert(D[:, : I - 1], column, 0, 1), 0.0)
        sums, sizes = np.zeros_like(W), np.zeros_like(W)
        np.add.at(sums, codes, D[:, I - 1 :])
        np.add.at(sizes, codes, abs(D[:, I - 1 :]))
        yield Case("dw", dw, sums, draw.sum_bound(N, sizes))


def residual(draw: Draw) -> Iterator[Case]:
    """out = x + (x·w + b); dx = dout + dout·wᵀ."""
    for N, I in product(SIZES, repeat=2):
        (x, X), (w, W), (b, B), (dout, D) = draw(N, I), draw(I, I), draw(I), draw(N, I)
        layer = Residual([Affine(w, b)])
        magnitude = abs(X) + abs(X) @ abs(W) + abs(B)
        yield Case("forward", layer.forward(x), X + X @ W + B, draw.sum_bound(I + 2, magnitude))
        magnitude = abs(D) + abs(D) @ abs(W.T)
        yield Case("dx", layer.backward(dout), D + D @ W.T, draw.sum_bound(I + 1, magnitude))


def softmax(draw: Draw) -> Iterator[Case]:
    """out = exp(x) / Σ_o exp(x); dx = out·(dout - Σ_o dout·out)."""
    for N, O in product(SIZES, repeat=2):
        (x, X), (dout, D) = draw(N, O), draw(N, O)
        shifted = X - X.max(axis=1, keepdims=True)
        expected = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
        out = functional.softmax_forward(x)
        size = 1 + abs(shifted)  # what a relative error of x - max makes of exp
        size = expected * (size + (expected * size).sum(axis=1, keepdims=True))
        bound = 4 * draw.eps * size + draw.sum_bound(O, expected)
        yield Case("forward", out, expected, bound)
        K = out.astype(np.float64)
        dx = K * (D - (D * K).sum(axis=1, keepdims=True))
        size = K * (abs(D) + abs(D * K).sum(axis=1, keepdims=True))
        yield Case("dx", functional.softmax_backward(dout, out), dx, draw.sum_bound(O + 3, size))


def moments(draw: Draw, x: Array, axis: int) -> tuple[Array, Array, Array, Array]:
    """Return the mean and the biased variance along an axis, and how far each may be off."""
    count = x.shape[axis]
    mean, var = x.mean(axis=axis, keepdims=True), x.var(axis=axis, keepdims=True)
    d = abs(x - mean)
    mean_bound = draw.sum_bound(count + 1, abs(x).mean(axis=axis, keepdims=True))
    d_bound = mean_bound + draw.eps * d
    d_squares = (2 * d * d_bound + d_bound**2).mean(axis=axis, keepdims=True)
    return mean, var, mean_bound, d_squares + draw.sum_bound(count + 2, var)


def layer_norm(draw: Draw) -> Iterator[Case]:
    """out = (x - mean)·rstd·gamma + beta, row by row, and its gradients."""
    for N, O in product(SIZES, repeat=2):
        (x, X), (gamma, G), (beta, B), (dout, D) = draw(N, O), draw(O), draw(O), draw(N, O)
        mean, var, mean_bound, var_bound = moments(draw, X, 1)
        rstd = 1 / np.sqrt(var + 1e-5)
        rstd_bound = rstd**3 * var_bound / 2 + 4 * draw.eps * rstd
        x_hat = (X - mean) * rstd
        x_hat_bound = mean_bound * rstd + abs(X - mean) * rstd_bound
        out, *kept = functional.layer_norm_forward(x, gamma, beta)
        bound = x_hat_bound * abs(G) + 4 * draw.eps * (abs(x_hat * G) + abs(B))
        yield Case("forward", out, x_hat * G + B, bound)
        yield Case("mean", kept[0], mean[:, 0], mean_bound[:, 0])
        yield Case("rstd", kept[1], rstd[:, 0], rstd_bound[:, 0])

        mean, rstd = (array.astype(np.float64)[:, None] for array in kept)
        x_hat, g = (X - mean) * rstd, D * G
        size = (abs(X) + abs(mean)) * rstd
        dx, dgamma, dbeta = functional.layer_norm_backward(dout, x, gamma, *kept)
        expected = rstd * (
            g - g.mean(1, keepdims=True) - x_hat * (g * x_hat).mean(1, keepdims=True)
        )
        g = abs(g)
        sums = g + g.mean(1, keepdims=True) + size * (g * size).mean(1, keepdims=True)
        yield Case("dx", dx, expected, draw.sum_bound(O + 6, rstd * sums))
        dgamma_size = (abs(D) * size).sum(axis=0)
        yield Case("dgamma", dgamma, (D * x_hat).sum(axis=0), draw.sum_bound(N + 2, dgamma_size))
        yield Case("dbeta", dbeta, D.sum(axis=0), draw.sum_bound(N, abs(D).sum(axis=0)))


def batch_norm(draw: Draw) -> Iterator[Case]:
    """out = (x - mean) / √(var + eps)·gamma + beta, column by column, and its gradients."""
    for N, O in product(SIZES, repeat=2):
        (x, X), (gamma, G), (beta, B), (dout, D) = draw(N, O), draw(O), draw(O), draw(N, O)
        expected_mean, expected_var, mean_bound, var_bound = moments(draw, X, 0)
        mean, var = functional.batch_norm_statistics(x)
        yield Case("mean", mean, expected_mean[0], mean_bound[0])
        yield Case("var", var, expected_var[0], var_bound[0])

        M, V = mean.astype(np.float64), var.astype(np.float64)
        rstd = 1 / np.sqrt(V + 1e-5)
        x_hat, size = (X - M) * rstd, (abs(X) + abs(M)) * rstd
        out = functional.batch_norm_forward(x, gamma, beta, mean, var)
        bound = draw.sum_bound(5, size * abs(G) + abs(B))
        yield Case("forward", out, x_hat * G + B, bound)
        dx, dgamma, dbeta = functional.batch_norm_backward(dout, x, gamma, mean, var)
        expected = G * rstd * (D - D.mean(axis=0) - x_hat * (D * x_hat).mean(axis=0))
        sums = abs(D) + abs(D).mean(axis=0) + size * (abs(D) * size).mean(axis=0)
        yield Case("dx", dx, expected, draw.sum_bound(N + 8, abs(G) * rstd * sums))
        dgamma_size = (abs(D) * size).sum(axis=0)
        yield Case("dgamma", dgamma, (D * x_hat).sum(axis=0), draw.sum_bound(N + 4, dgamma_size))
        yield Case("dbeta", dbeta, D.sum(axis=0), draw.sum_bound(N, abs(D).sum(axis=0)))


def sgd(draw: Draw) -> Iterator[Case]:
    """g = grad + decay·p; v = momentum·v + g; p -= lr·(g + momentum·v if nesterov else v)."""
    lr, momentum, decay = 0.1, 0.9, 0.01

    def update(p: Array, grad: Array, v: Array, nesterov: bool) -> tuple[Array, Array]:
        g = grad + decay * p
        v = momentum * v + g
        return v, lr * (g + momentum * v if nesterov else v)

    for length, nesterov in product(LENGTHS, (False, True)):
        (p, P), (grad, G), (v, V) = draw(length), draw(length), draw(length)
        velocity, step = update(P, G, V, nesterov)
        velocity_terms, step_terms = update(abs(P), abs(G), abs(V), nesterov)
        functional.sgd_update(
            p, grad, v, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=decay
        )
        yield Case("velocity", v, velocity, draw.sum_bound(3, velocity_terms))
        yield Case("param", p, P - step, draw.sum_bound(6, abs(P) + step_terms))


BRICKS: dict[str, Callable[[Draw], Iterator[Case]]] = {
    "Affine": affine,
    "Embedding": embedding,
    "Residual": residual,
    "Dropout": dropout,
    **{name: formula.cases for name, formula in ACTIVATIONS.items()},
    "Softmax": softmax,
    "LayerNorm": layer_norm,
    "BatchNorm": batch_norm,
    **{name: loss.cases for name, loss in LOSSES.items()},
    "SGD": sgd,
}
