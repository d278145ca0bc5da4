"""NumPy: the formulas, computed in place where that saves an array."""

from __future__ import annotations

import math

import numpy as np

from benchmarks.problems import BETAS, EPS, Array, Problem, Weights


def relu(x: Array) -> None:
    """Compute x = max(x, 0) in place."""
    np.maximum(x, 0, out=x)


def sigmoid(x: Array) -> None:
    """Compute x = 1 / (1 + exp(-x)) in place."""
    np.negative(x, out=x)
    np.exp(x, out=x)
    x += 1
    np.reciprocal(x, out=x)


class Net:
    """The weights, and forward."""

    def __init__(self, problem: Problem) -> None:
        self.weights = problem.weights()
        if problem.activation not in ("relu", "sigmoid"):
            raise NotImplementedError(f"NumPy has no function for {problem.activation}")
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
    """Forward, loss, backward, and an update of all weights in one array."""

    def __init__(self, problem: Problem, rows: int, threads: int) -> None:
        super().__init__(problem)
        self.batches = problem.split()
        self.is_mse = problem.loss == "mse"
        self.params = np.concatenate([a.ravel() for layer in self.weights for a in layer])
        self.grads = np.empty_like(self.params)
        self.weights, self.gradients = self.views(self.params), self.views(self.grads)
        self.update = (Adam if problem.optimizer == "adam" else Descent)(problem, self.params.size)

    def views(self, flat: Array) -> Weights:
        """Return views of w and b of each layer in a flat array."""
        arrays = [array for layer in self.weights for array in layer]
        parts = np.split(flat, np.cumsum([array.size for array in arrays])[:-1])
        shaped = [part.reshape(a.shape) for part, a in zip(parts, arrays, strict=True)]
        return list(zip(shaped[::2], shaped[1::2], strict=True))

    def run(self, repeats: int) -> None:
        """Train for `repeats` epochs."""
        for _ in range(repeats):
            for x, y in self.batches:
                self.step(x, y)

    def step(self, x: Array, y: Array) -> None:
        """Take one step on one batch."""
        outputs = self.forward(x)
        dout = (self.mse if self.is_mse else self.cross_entropy)(outputs[-1], y)
        for index in reversed(range(len(self.weights))):
            w, _ = self.weights[index]
            dw, db = self.gradients[index]
            out = outputs[index]
            np.matmul(out.T, dout, out=dw)
            dout.sum(axis=0, out=db)
            if index:
                dout = dout @ w.T
                if self.is_relu:
                    dout *= out > 0
                else:
                    dout *= out
                    np.subtract(1, out, out=out)
                    dout *= out
        self.update(self.params, self.grads)

    def mse(self, out: Array, y: Array) -> Array:
        """Set the mean squared error as `loss`; replace out by its gradient."""
        out -= y
        self.loss = np.vdot(out, out) / out.size
        out *= out.dtype.type(2 / out.size)
        return out

    def cross_entropy(self, out: Array, y: Array) -> Array:
        """Set the mean of -log softmax(out)[label] as `loss`; replace out by its gradient."""
        out -= out.max(axis=1, keepdims=True)
        chosen = (np.arange(len(y)), y)
        logits = out[chosen]
        np.exp(out, out=out)
        total = out.sum(axis=1, keepdims=True)
        self.loss = (np.log(total).sum() - logits.sum()) / len(y)
        total *= out.dtype.type(len(y))
        out /= total
        out[chosen] -= out.dtype.type(1 / len(y))
        return out

    def result(self) -> list[Array]:
        """Return the weights."""
        return [array for layer in self.weights for array in layer]


class Descent:
    """params -= lr·grads; overwrites grads."""

    def __init__(self, problem: Problem, size: int) -> None:
        self.lr = np.dtype(problem.dtype).type(problem.lr)

    def __call__(self, params: Array, grads: Array) -> None:
        """Take one step."""
        grads *= self.lr
        params -= grads


class Adam:
    """params -= lr·(mean / c1) / (√(square / c2) + eps), with c1, c2 folded into lr and eps."""

    def __init__(self, problem: Problem, size: int) -> None:
        self.lr = problem.lr
        self.steps = 0
        self.mean, self.square, self.scratch = np.zeros((3, size), problem.dtype)

    def __call__(self, params: Array, grads: Array) -> None:
        """Take one step; overwrites grads."""
        self.steps += 1
        beta1, beta2 = BETAS
        root = math.sqrt(1 - beta2**self.steps)
        rate = self.lr * root / (1 - beta1**self.steps)
        mean, square, scratch = self.mean, self.square, self.scratch
        np.multiply(grads, 1 - beta1, out=scratch)
        mean *= beta1
        mean += scratch
        grads *= grads
        grads *= 1 - beta2
        square *= beta2
        square += grads
        np.sqrt(square, out=scratch)
        scratch += EPS * root
        np.divide(mean, scratch, out=scratch)
        scratch *= rate
        params -= scratch


class Predictor(Net):
    """Forward only."""

    def __init__(self, problem: Problem, rows: int, threads: int) -> None:
        super().__init__(problem)
        self.x, _ = problem.rows(rows)

    def run(self, repeats: int) -> None:
        """Predict `repeats` times."""
        for _ in range(repeats):
            self.forward(self.x)

    def result(self) -> list[Array]:
        """Return the prediction."""
        return [self.forward(self.x)[-1]]
