# mypy: disable-error-code="import-not-found, import-untyped, no-untyped-call"
"""PyTorch: eager with its two fast kinds of optimizer, and a step compiled as one graph."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy, gelu, linear, mse_loss

from benchmarks.problems import BETAS, EPS, Array, Problem

ACTIVATIONS = {"relu": torch.relu, "sigmoid": torch.sigmoid, "gelu": gelu}

Params = list[torch.Tensor]
"""Tensors w (O, I), b (O,), w, b, ...: PyTorch stores w transposed."""


def params(problem: Problem) -> Params:
    """Return the problem's weights as tensors."""
    arrays = [array for w, b in problem.weights() for array in (w.T.copy(), b)]
    return [torch.from_numpy(array) for array in arrays]


def batches(problem: Problem) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return the batches as tensors."""
    return [(torch.from_numpy(x), torch.from_numpy(y)) for x, y in problem.split()]


def arrays(params: Params) -> list[Array]:
    """Return the weights as NumPy arrays, w (I, O)."""
    return [np.ascontiguousarray(p.detach().numpy().T) for p in params]


def forward(params: Params, x: torch.Tensor, activation: str) -> torch.Tensor:
    """Return the prediction."""
    activate = ACTIVATIONS[activation]
    for index in range(0, len(params) - 2, 2):
        x = activate(linear(x, params[index], params[index + 1]))
    return linear(x, params[-2], params[-1])


def loss(problem: Problem, params: Params, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the loss on a batch."""
    mean_loss = mse_loss if problem.loss == "mse" else cross_entropy
    return mean_loss(forward(params, x, problem.activation), y)


class Eager:
    """The usual loop, with one kernel for the update of all parameters."""

    kind = "fused"

    def __init__(self, problem: Problem, rows: int, threads: int) -> None:
        torch.set_num_threads(threads)
        self.params = [p.requires_grad_() for p in params(problem)]
        self.batches = batches(problem)
        self.problem = problem
        how: dict[str, Any] = {"lr": problem.lr, self.kind: True}
        if problem.optimizer == "adam":
            self.optimizer: Any = torch.optim.Adam(self.params, betas=BETAS, eps=EPS, **how)
        else:
            self.optimizer = torch.optim.SGD(self.params, **how)

    def run(self, repeats: int) -> None:
        """Train for `repeats` epochs."""
        for _ in range(repeats):
            for x, y in self.batches:
                self.optimizer.zero_grad(set_to_none=True)
                loss(self.problem, self.params, x, y).backward()
                self.optimizer.step()

    def result(self) -> list[Array]:
        """Return the weights."""
        return arrays(self.params)


class EagerForeach(Eager):
    """The usual loop, with one kernel per operation on the list of all parameters."""

    kind = "foreach"


class Descent:
    """p = p - lr·g, for tracing."""

    def __init__(self, problem: Problem, params: Params) -> None:
        self.lr = problem.lr

    def __call__(self, params: Params, grads: Params) -> None:
        """Update the parameters in place."""
        for param, grad in zip(params, grads, strict=True):
            param.sub_(grad, alpha=self.lr)


class Adam:
    """The formula of `torch.optim.Adam`, for tracing; corrections are in float64, as there."""

    def __init__(self, problem: Problem, params: Params) -> None:
        self.lr = problem.lr
        self.betas = torch.tensor(BETAS, dtype=torch.float64)
        self.powers = torch.ones_like(self.betas)
        self.means = [torch.zeros_like(param) for param in params]
        self.squares = [torch.zeros_like(param) for param in params]

    def __call__(self, params: Params, grads: Params) -> None:
        """Update the parameters in place."""
        self.powers.mul_(self.betas)
        corrections = 1 - self.powers
        rate, root = (self.lr / corrections[0]).float(), corrections[1].sqrt().float()
        for param, grad, mean, square in zip(params, grads, self.means, self.squares, strict=True):
            mean.lerp_(grad, 1 - BETAS[0])
            square.mul_(BETAS[1]).addcmul_(grad, grad, value=1 - BETAS[1])
            param.sub_(rate * mean / (square.sqrt() / root + EPS))


class Compiled:
    """Forward, loss, backward and update as one graph, compiled for fixed shapes."""

    def __init__(self, problem: Problem, rows: int, threads: int) -> None:
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
        torch.compiler.reset()  # or each call first checks the guards of the previous problem
        self.params = params(problem)
        self.batches = batches(problem)
        update = (Adam if problem.optimizer == "adam" else Descent)(problem, self.params)
        gradients = torch.func.grad_and_value(partial(loss, problem))

        def step(params: Params, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            grads, value = gradients(params, x, y)
            update(params, grads)
            mean_loss: torch.Tensor = value
            return mean_loss

        # The generated C++ calls the kernels without returning to Python.
        self.step = torch.compile(
            step, fullgraph=True, dynamic=False, options={"cpp_wrapper": True}
        )

    def run(self, repeats: int) -> None:
        """Train for `repeats` epochs."""
        for _ in range(repeats):
            for x, y in self.batches:
                self.step(self.params, x, y)

    def result(self) -> list[Array]:
        """Return the weights."""
        return arrays(self.params)


class Predictor:
    """Eager forward in inference mode, which is faster than a compiled one here."""

    def __init__(self, problem: Problem, rows: int, threads: int) -> None:
        torch.set_num_threads(threads)
        self.params = params(problem)
        self.x = torch.from_numpy(problem.rows(rows)[0])
        self.activation = problem.activation

    def predict(self) -> torch.Tensor:
        """Return the prediction."""
        return forward(self.params, self.x, self.activation)

    def run(self, repeats: int) -> None:
        """Predict `repeats` times."""
        with torch.inference_mode():
            for _ in range(repeats):
                self.predict()

    def result(self) -> list[Array]:
        """Return the prediction."""
        with torch.inference_mode():
            return [self.predict().numpy()]
