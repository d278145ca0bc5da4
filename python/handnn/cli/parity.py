"""Every brick again in plain NumPy, and how far the kernels may be from it.

A sum of K terms may differ by 2·eps·K·Σ|terms|, a formula without a sum by 4·eps of its value, and
what only copies by nothing. The NumPy side is computed in float64 whatever the kernel's dtype is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from handnn import functional

Array = NDArray[Any]

SIZES = (1, 3, 4, 7, 8, 9, 15, 16, 17, 33)  # around the edges of vectors of 4, 8 and 16
LENGTHS = tuple(range(70))


class Case(NamedTuple):
    """One call of a kernel: what it gave, what NumPy gives, and how far apart they may be."""

    what: str
    got: Any
    expected: Any
    bound: Any


class Draw:
    """Random arrays of one dtype, with a twin in float64 for NumPy's formula."""

    def __init__(self, dtype: str, seed: int = 0) -> None:
        self.dtype = np.dtype(dtype)
        self.eps = float(np.finfo(self.dtype).eps)
        self._rng = np.random.default_rng(seed)

    def __call__(self, *shape: int) -> tuple[Array, Array]:
        """Return an array drawn from N(0, 3²), and its twin."""
        array = self._rng.normal(scale=3, size=shape).astype(self.dtype)
        return array, array.astype(np.float64)

    def sum_bound(self, terms: int, magnitude: Any) -> Any:
        """Return the bound for a sum of `terms` terms with Σ|terms| = `magnitude`."""
        return 2 * self.eps * terms * magnitude


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


def sigmoid(draw: Draw) -> Iterator[Case]:
    """out = 1 / (1 + exp(-x)); dx = dout·(1 - out)·out."""
    for length in LENGTHS:
        (x, X), (dout, D) = draw(length), draw(length)
        x, X = 4 * x, 4 * X
        out = functional.sigmoid_forward(x)
        expected = 1 / (1 + np.exp(-X))
        yield Case("forward", out, expected, 4 * draw.eps * expected)
        expected = D * (1 - out.astype(np.float64)) * out
        dx = functional.sigmoid_backward(dout, out)
        yield Case("dx", dx, expected, 4 * draw.eps * abs(expected))


def relu(draw: Draw) -> Iterator[Case]:
    """out = 0 where x < 0, else x; dx = 0 where x < 0, else dout."""
    for length in LENGTHS:
        (x, X), (dout, D) = draw(length), draw(length)
        yield Case("forward", functional.relu_forward(x), np.where(X < 0, 0, X), 0)
        yield Case("dx", functional.relu_backward(dout, x), np.where(X < 0, 0, D), 0)


def mse_loss(draw: Draw) -> Iterator[Case]:
    """loss = Σ (pre - y)² / (N·O); dpre = 2 (pre - y) / (N·O)·dout."""
    for N, O in product(SIZES, repeat=2):
        (pre, P), (y, Y) = draw(N, O), draw(N, O)
        loss, gradient = np.mean((P - Y) ** 2), 2 * (P - Y) / (N * O) * 0.7
        forward, dx = functional.mse_loss_forward(pre, y), functional.mse_loss_backward(pre, y, 0.7)
        yield Case("forward", forward, loss, draw.sum_bound(N * O, loss))
        yield Case("dx", dx, gradient, 4 * draw.eps * abs(gradient))


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
    "Sigmoid": sigmoid,
    "ReLU": relu,
    "MSELoss": mse_loss,
    "SGD": sgd,
}
