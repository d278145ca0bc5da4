"""The expected result, and the tolerance of a correct float32 result.

The reference computes in float64. Further runs disturb every operation as rounding would: a sum of
K terms by up to 3·√K·u·Σ|terms|, u = 2⁻²⁴ (Higham and Mary 2019, "A new approach to probabilistic
rounding error analysis", theorem 2.4 with λ = 3). The tolerance is the largest distance of these
runs from the reference. A few entries may dominate it: those that rounding moves across the kink of
a relu. One run may miss them, so there are several.

Adam has more of these entries. It divides a mean by the root of a mean of squares, which in the
first steps is nearly the sign of the gradient: where the gradient is smaller than its rounding
error, the weight moves by any amount up to lr. A library may also store the betas in float32 and
compute 1 - beta^t from them, as Optax does; this changes 0.999 by up to u and 1 - 0.999^t by about
1,000·u of its value. The disturbed runs allow for that, too.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from benchmarks.problems import BETAS, EPS, Array, Problem

UNIT_ROUNDOFF = 2.0**-24
LAMBDA = 3
SIGMOID_ERROR = 4  # in units of u: libraries approximate exp or tanh
N_DISTURBED_RUNS = 4


erf = np.vectorize(math.erf, otypes=[float])


def normal(x: Array) -> Array:
    """Return the standard normal distribution function."""
    return np.asarray(0.5 + 0.5 * erf(x / math.sqrt(2)))


def slope(x: Array, out: Array, activation: str) -> Array:
    """Return the derivative of the activation at x, where it is `out`."""
    if activation == "relu":
        return np.asarray(out > 0)
    if activation == "gelu":
        return np.asarray(normal(x) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi))
    return np.asarray(out * (1 - out))


class Arithmetic:
    """Operations in float64, with simulated rounding to float32 if `rounding` is true."""

    def __init__(self, rounding: bool, seed: int = 3) -> None:
        self.rounding = rounding
        self.rng = np.random.default_rng(seed)

    def disturbed(self, value: Array, bound: Array) -> Array:
        """Return the value with a random error of scale u·bound."""
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
        """Return relu(x), gelu(x) or sigmoid(x)."""
        if activation == "relu":
            return np.maximum(x, 0)
        if activation == "gelu":
            return self.disturbed(x * normal(x), SIGMOID_ERROR * abs(x))
        out = 1 / (1 + np.exp(-x))
        return self.disturbed(out, np.full_like(out, SIGMOID_ERROR))

    def softmax(self, x: Array) -> Array:
        """Return the probabilities of each row."""
        depth = x.max(axis=1, keepdims=True) - x  # its rounding error becomes a factor of exp
        out = np.exp(-depth)
        out /= out.sum(axis=1, keepdims=True)
        return self.disturbed(out, out * (depth + SIGMOID_ERROR))


def forward(
    problem: Problem, weights: list[Array], x: Array, arithmetic: Arithmetic
) -> tuple[list[Array], list[Array]]:
    """Return the inputs and the outputs of the activations.

    Both begin with x and end with the prediction, which has no activation.
    """
    inputs, outputs = [x], [x]
    last = len(weights) - 2
    for index in range(0, len(weights), 2):
        w, b = weights[index : index + 2]
        out = arithmetic.product(outputs[-1], w)
        out = arithmetic.disturbed(out + b, abs(out + b))
        inputs.append(out)
        outputs.append(out if index == last else arithmetic.activate(out, problem.activation))
    return inputs, outputs


def gradients(
    problem: Problem, weights: list[Array], x: Array, y: Array, arithmetic: Arithmetic
) -> list[Array]:
    """Return the gradients of the loss with respect to w, b, w, b, ..."""
    inputs, outputs = forward(problem, weights, x, arithmetic)
    if problem.loss == "mse":
        dout = 2 * (outputs[-1] - y) / y.size
    else:
        dout = (arithmetic.softmax(outputs[-1]) - np.eye(problem.sizes[-1])[y]) / len(y)
    grads: list[Array] = []
    for index in range(len(weights) - 2, -1, -2):
        out = outputs[index // 2]
        db = arithmetic.product(np.ones((1, len(dout))), dout)[0]
        grads = [arithmetic.product(out.T, dout), db, *grads]
        if index:
            dout = arithmetic.product(dout, weights[index].T)
            dout = dout * slope(inputs[index // 2], out, problem.activation)
    return grads


class Descent:
    """Gradient descent: the step is lr·gradient."""

    def __init__(self, problem: Problem) -> None:
        self.lr = problem.lr

    def moves(self, grads: list[Array]) -> list[Array]:
        """Return the steps to subtract from the weights."""
        return [self.lr * grad for grad in grads]


class Adam:
    """lr·(mean / (1 - beta1^t)) / (√(square / (1 - beta2^t)) + eps), t from 1.

    With eps_first, eps is added to √square before the correction.
    """

    def __init__(self, problem: Problem, arithmetic: Arithmetic, eps_first: bool) -> None:
        self.lr = problem.lr
        self.eps_first = eps_first
        self.arithmetic = arithmetic
        self.steps = 0
        self.kept = [arithmetic.disturbed(np.array(beta), np.array(beta)) for beta in BETAS]
        self.means: list[list[Array]] = [[], []]

    def corrected(self, place: int, terms: list[Array]) -> list[Array]:
        """Update and return the corrected running means of gradients (place 0) or squares (1)."""
        kept, disturbed = self.kept[place], self.arithmetic.disturbed
        old = self.means[place] or [np.zeros_like(term) for term in terms]
        new = [(1 - BETAS[place]) * term for term in terms]
        self.means[place] = [
            disturbed(kept * a + b, abs(kept * a) + abs(b)) for a, b in zip(old, new, strict=True)
        ]
        power = kept**self.steps
        correction = 1 - disturbed(power, power)
        return [mean / correction for mean in self.means[place]]

    def moves(self, grads: list[Array]) -> list[Array]:
        """Return the steps to subtract from the weights."""
        self.steps += 1
        means = self.corrected(0, grads)
        squares = self.corrected(1, [grad**2 for grad in grads])
        eps = EPS / math.sqrt(1 - BETAS[1] ** self.steps) if self.eps_first else EPS
        return [
            self.lr * mean / (np.sqrt(square) + eps)
            for mean, square in zip(means, squares, strict=True)
        ]


def first_weights(problem: Problem) -> list[Array]:
    """Return the initial weights in float64: w, b, w, b, ..."""
    return [array.astype(np.float64) for layer in problem.weights() for array in layer]


@cache
def trained(problem: Problem, epochs: int, eps_first: bool = False) -> tuple[list[Array], float]:
    """Return the weights after some epochs, and the tolerance of a float32 result.

    eps_first selects the formula of Adam.
    """

    def train(arithmetic: Arithmetic) -> list[Array]:
        weights = first_weights(problem)
        is_adam = problem.optimizer == "adam"
        optimizer = Adam(problem, arithmetic, eps_first) if is_adam else Descent(problem)
        for _ in range(epochs):
            for x, y in problem.split():
                grads = gradients(problem, weights, x.astype(np.float64), y, arithmetic)
                moved = [w - move for w, move in zip(weights, optimizer.moves(grads), strict=True)]
                weights = [arithmetic.disturbed(w, abs(w)) for w in moved]
        return weights

    exact = train(Arithmetic(rounding=False))
    runs = [Arithmetic(rounding=True, seed=3 + run) for run in range(N_DISTURBED_RUNS)]
    return exact, max(distance(exact, train(arithmetic)) for arithmetic in runs)


@cache
def predicted(problem: Problem, rows: int) -> tuple[list[Array], float]:
    """Return the prediction of the first rows, and the tolerance of a result of its dtype.

    In float64, the reference has as large an error as the result.
    """
    x = problem.rows(rows)[0].astype(np.float64)
    weights = first_weights(problem)
    exact = forward(problem, weights, x, Arithmetic(rounding=False))[1][-1]
    copies = -(-64 // rows)  # averages the disturbance of a single row
    several = np.tile(x, (copies, 1))
    disturbed = forward(problem, weights, several, Arithmetic(rounding=True))[1][-1]
    tolerance = distance([np.tile(exact, (copies, 1))], [disturbed]) / math.sqrt(copies)
    if problem.dtype == "float64":
        tolerance *= 2 * float(np.finfo(np.float64).eps / np.finfo(np.float32).eps)
    return [exact], tolerance


def distance(a: list[Array], b: list[Array]) -> float:
    """Return the Euclidean distance of two lists of arrays."""
    return math.sqrt(sum(float(np.sum((p - q) ** 2)) for p, q in zip(a, b, strict=True)))


def check(label: str, result: list[Array], expected: list[Array], tolerance: float) -> float:
    """Return the error in units of the tolerance; raise ArithmeticError above 1."""
    for got, wanted in zip(result, expected, strict=True):
        if got.shape != wanted.shape:
            raise ArithmeticError(f"{label} returned shape {got.shape}, expected {wanted.shape}")
    share = distance(result, expected) / tolerance
    if not share <= 1:
        raise ArithmeticError(f"{label} is wrong: its error is {share:.3g} times the tolerance")
    return share
