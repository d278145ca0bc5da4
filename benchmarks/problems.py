"""The networks to train: sizes, initial weights and rows, the same in every process."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Weights = list[tuple[Array, Array]]
"""w (I, O) and b (O,) of each layer."""

BETAS, EPS = (0.9, 0.999), 1e-8
"""Settings of Adam, except for the learning rate."""


@dataclass(frozen=True)
class Problem:
    """A multilayer perceptron, its training rows, loss and optimizer.

    Cross entropy includes a softmax; "sgd" is gradient descent without momentum.
    """

    name: str
    sizes: tuple[int, ...]
    activation: str
    batch: int
    batches: int
    loss: Literal["mse", "cross entropy"] = "mse"
    optimizer: Literal["sgd", "adam"] = "sgd"
    dtype: Literal["float32", "float64"] = "float32"
    rate: float | None = None

    @property
    def lr(self) -> float:
        """`rate`, or one small enough that no number overflows or underflows in a long run."""
        if self.rate is not None:
            return self.rate
        if self.optimizer == "adam":
            return 0.001
        return 0.1 if self.activation == "sigmoid" else 0.01

    @property
    def title(self) -> str:
        """Network, activation, batch size, loss and optimizer in one line."""
        loss = "" if self.loss == "mse" else f", {self.loss}"
        optimizer = "" if self.optimizer == "sgd" else f", {self.optimizer.capitalize()}"
        return f"{self.name} {self.activation}, {self.batch}{loss}{optimizer}"

    def weights(self) -> Weights:
        """Return the initial weights: "xavier" for sigmoid, "he" for others."""
        rng = np.random.default_rng(1)
        weights = []
        for n_in, n_out in pairwise(self.sizes):
            variance = 2 / (n_in + n_out) if self.activation == "sigmoid" else 2 / n_in
            w = rng.normal(0, math.sqrt(variance), (n_in, n_out)).astype(self.dtype)
            b = rng.normal(0, 0.1, n_out).astype(self.dtype)
            weights.append((w, b))
        return weights

    def rows(self, count: int | None = None) -> tuple[Array, Array]:
        """Return x (N, I) and y (N, O), or labels y (N,) for cross entropy.

        N is `count`, or the number of rows of an epoch.
        """
        rng = np.random.default_rng(2)
        count = count or self.batch * self.batches
        x = rng.standard_normal((count, self.sizes[0]), np.float32).astype(self.dtype, copy=False)
        if self.loss == "cross entropy":
            return x, rng.integers(self.sizes[-1], size=count)
        y = rng.standard_normal((count, self.sizes[-1]), np.float32)
        return x, y.astype(self.dtype, copy=False)

    def split(self) -> list[tuple[Array, Array]]:
        """Return the batches of an epoch, in order."""
        x, y = self.rows()
        return list(
            zip(np.split(x, self.batches), np.split(y, self.batches), strict=True),
        )

    @property
    def operations(self) -> int:
        """The number of floating-point operations in the matrix products of one step.

        Two for each multiply-add; x·W and xᵀ·dout for every layer, dout·Wᵀ for all but the first.
        """
        products = [n_in * n_out for n_in, n_out in pairwise(self.sizes)]
        return 2 * self.batch * (3 * sum(products) - products[0])


class Task(Protocol):
    """A peer's implementation of a problem: repeatable, with a result to verify."""

    def run(self, repeats: int) -> None:
        """Train for `repeats` epochs, or predict `repeats` times."""

    def result(self) -> list[Array]:
        """Return the current weights w, b, w, b, ..., or the prediction."""


TaskMaker = Callable[[Problem, int, int], Task]
"""(problem, rows, threads) -> Task; rows is the size of one prediction, unused in training."""

PROBLEMS = (
    Problem("2-16-1", (2, 16, 1), "sigmoid", 32, 32),
    Problem("13-64-64-1", (13, 64, 64, 1), "relu", 32, 32),
    Problem("784-50-10", (784, 50, 10), "relu", 100, 32),
    Problem("784-256-128-10", (784, 256, 128, 10), "relu", 128, 16),
    Problem("512-1024-1024-64", (512, 1024, 1024, 64), "relu", 256, 4),
    Problem("ten layers of 64", (64,) * 11, "sigmoid", 64, 16),
)

LEARNING = (
    Problem("13-64-64-1", (13, 64, 64, 1), "relu", 32, 32, optimizer="adam"),
    Problem("784-256-128-10", (784, 256, 128, 10), "relu", 128, 16, optimizer="adam"),
    Problem("784-50-10", (784, 50, 10), "relu", 100, 32, "cross entropy"),
    Problem("784-50-50-10", (784, 50, 50, 10), "relu", 100, 32, "cross entropy"),
)
"""Networks that are trained with Adam or with cross entropy."""

ZOO = (
    Problem("4-64-64-2", (4, 64, 64, 2), "relu", 64, 32, optimizer="adam"),
    Problem("23-256-256-1", (23, 256, 256, 1), "relu", 256, 8, optimizer="adam"),
    Problem("ten layers of 32", (32,) * 11, "gelu", 64, 16, optimizer="adam"),
    Problem("six layers of 256", (256,) * 7, "relu", 128, 8, optimizer="adam"),
)
"""Networks of reinforcement learning, a deep Q-network for a cart with a pole and one of two
critics, and deep ones, such as those that take the place of a simulation.
"""
