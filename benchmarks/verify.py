"""What a result must be, and how far from it rounding to float32 may lead.

The reference computes in float64. A second one computes the same, but disturbs every operation as
rounding would: a sum of K terms by up to 3·√K·u·Σ|terms|, u = 2⁻²⁴ (Higham and Mary 2019, "A new
approach to probabilistic rounding error analysis", theorem 2.4 with λ = 3). How far the two end up
from each other is how far a correct float32 result may be from the first.
"""

from __future__ import annotations

import math

import numpy as np

from benchmarks.problems import Array, Problem

UNIT_ROUNDOFF = 2.0**-24
LAMBDA = 3
SIGMOID_ERROR = 4  # in units of the last place of 1: libraries approximate exp or tanh


class Arithmetic:
    """Operations in float64, disturbed as rounding to float32 would if `rounding` is true."""

    def __init__(self, rounding: bool) -> None:
        self.rounding = rounding
        self.rng = np.random.default_rng(3)

    def disturbed(self, value: Array, bound: Array) -> Array:
        """Return value, with a random error of the size of `bound` units of rounding."""
        if not self.rounding:
            return value
        noise: Array = self.rng.standard_normal(value.shape) * UNIT_ROUNDOFF * bound
        return value + noise

    def product(self, a: Array, b: Array) -> Array:
        """Return a·b."""
        if not self.rounding:
            return np.asarray(a @ b)
        return self.disturbed(a @ b, LAMBDA * math.sqrt(a.shape[1]) * (abs(a) @ abs(b)))

    def activate(self, x: Array, activation: str) -> Array:
        """Return relu(x) or sigmoid(x)."""
        if activation == "relu":
            return np.maximum(x, 0)
        out = 1 / (1 + np.exp(-x))
        return self.disturbed(out, np.full_like(out, SIGMOID_ERROR))


def forward(
    problem: Problem, weights: list[Array], x: Array, arithmetic: Arithmetic
) -> list[Array]:
    """Return x, the output of every hidden layer, and the prediction."""
    outputs = [x]
    last = len(weights) - 2
    for index in range(0, len(weights), 2):
        w, b = weights[index : index + 2]
        out = arithmetic.product(outputs[-1], w)
        out = arithmetic.disturbed(out + b, abs(out + b))
        outputs.append(out if index == last else arithmetic.activate(out, problem.activation))
    return outputs


def step(
    problem: Problem, weights: list[Array], x: Array, y: Array, arithmetic: Arithmetic
) -> None:
    """Take one step of gradient descent, in place."""
    outputs = forward(problem, weights, x, arithmetic)
    dout = 2 * (outputs[-1] - y) / y.size
    for index in range(len(weights) - 2, -1, -2):
        out = outputs[index // 2]
        dw = arithmetic.product(out.T, dout)
        db = arithmetic.product(np.ones((1, len(dout))), dout)[0]
        if index:
            dout = arithmetic.product(dout, weights[index].T)
            dout = dout * ((out > 0) if problem.activation == "relu" else out * (1 - out))
        for place, gradient in ((index, dw), (index + 1, db)):
            moved = weights[place] - problem.lr * gradient
            weights[place] = arithmetic.disturbed(moved, abs(moved))


def first_weights(problem: Problem) -> list[Array]:
    """Return the weights at the start in float64: w, b, w, b, ..."""
    return [array.astype(np.float64) for layer in problem.weights() for array in layer]


def trained(problem: Problem, epochs: int) -> tuple[list[Array], float]:
    """Return the weights after some epochs, and how far from them a float32 result may be."""

    def train(rounding: bool) -> list[Array]:
        weights, arithmetic = first_weights(problem), Arithmetic(rounding)
        for _ in range(epochs):
            for x, y in problem.split():
                step(problem, weights, x.astype(np.float64), y.astype(np.float64), arithmetic)
        return weights

    exact = train(rounding=False)
    return exact, distance(exact, train(rounding=True))


def predicted(problem: Problem, rows: int) -> tuple[list[Array], float]:
    """Return the prediction for the first rows, and how far from it a float32 result may be."""
    x = problem.rows(rows)[0].astype(np.float64)
    weights = first_weights(problem)
    exact = forward(problem, weights, x, Arithmetic(rounding=False))[-1]
    copies = 64  # one row alone could be lucky
    disturbed = forward(problem, weights, np.tile(x, (copies, 1)), Arithmetic(rounding=True))[-1]
    tolerance = distance([np.tile(exact, (copies, 1))], [disturbed]) / math.sqrt(copies)
    return [exact], tolerance


def distance(a: list[Array], b: list[Array]) -> float:
    """Return the Euclidean distance of two lists of arrays, over all their elements."""
    return math.sqrt(sum(float(np.sum((p - q) ** 2)) for p, q in zip(a, b, strict=True)))


def check(label: str, result: list[Array], expected: list[Array], tolerance: float) -> float:
    """Return the error of a result as a share of the tolerance; ArithmeticError above 1."""
    for got, wanted in zip(result, expected, strict=True):
        if got.shape != wanted.shape:
            raise ArithmeticError(f"{label} gave the shape {got.shape}, not {wanted.shape}")
    share = distance(result, expected) / tolerance
    if not share <= 1:
        raise ArithmeticError(f"{label} is wrong: its error is {share:.3g} times the tolerance")
    return share
