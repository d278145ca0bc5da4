"""NumPy: the formulas as they stand, in place wherever that spares an array."""

from __future__ import annotations

import numpy as np

from benchmarks.problems import Array, Problem


def relu(x: Array) -> None:
    """x = max(x, 0), in place."""
    np.maximum(x, 0, out=x)


def sigmoid(x: Array) -> None:
    """x = 1 / (1 + exp(-x)), in place."""
    np.negative(x, out=x)
    np.exp(x, out=x)
    x += 1
    np.reciprocal(x, out=x)


class Net:
    """The weights, and the way forward."""

    def __init__(self, problem: Problem) -> None:
        self.weights = problem.weights()
        self.is_relu = problem.activation == "relu"
        self.activate = relu if self.is_relu else sigmoid

    def forward(self, x: Array) -> list[Array]:
        """Return x and the output of every layer."""
        outputs = [x]
        for w, b in self.weights[:-1]:
            out = outputs[-1] @ w
            out += b
            self.activate(out)
            outputs.append(out)
        w, b = self.weights[-1]
        out = outputs[-1] @ w
        out += b
        return [*outputs, out]


class Trainer(Net):
    """Forward, mean squared error, backward, gradient descent."""

    def __init__(self, problem: Problem, rows: int, threads: int) -> None:
        super().__init__(problem)
        self.batches = problem.split()
        self.lr = np.float32(problem.lr)

    def run(self, repeats: int) -> None:
        """Train for so many epochs."""
        for _ in range(repeats):
            for x, y in self.batches:
                self.step(x, y)

    def step(self, x: Array, y: Array) -> None:
        """Take one step on one batch."""
        outputs = self.forward(x)
        error = outputs[-1] - y
        self.loss = np.vdot(error, error) / error.size
        dout = error
        dout *= np.float32(2 / error.size)
        for index in reversed(range(len(self.weights))):
            w, b = self.weights[index]
            out = outputs[index]
            dw = out.T @ dout
            db = dout.sum(axis=0)
            if index:
                dout = dout @ w.T
                if self.is_relu:
                    dout *= out > 0
                else:
                    dout *= out
                    np.subtract(1, out, out=out)
                    dout *= out
            dw *= self.lr
            db *= self.lr
            w -= dw
            b -= db

    def result(self) -> list[Array]:
        """Return the weights."""
        return [array for layer in self.weights for array in layer]


class Predictor(Net):
    """Forward only."""

    def __init__(self, problem: Problem, rows: int, threads: int) -> None:
        super().__init__(problem)
        self.x, _ = problem.rows(rows)

    def run(self, repeats: int) -> None:
        """Predict so many times."""
        for _ in range(repeats):
            self.forward(self.x)

    def result(self) -> list[Array]:
        """Return the prediction."""
        return [self.forward(self.x)[-1]]
