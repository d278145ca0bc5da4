# mypy: disable-error-code="import-not-found, import-untyped, no-untyped-call"
"""PyTorch: eager, with its fused optimizer; and compiled, the whole step as one graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn.functional import linear, mse_loss

from benchmarks.problems import Array, Problem

Params = list[Any]
"""Tensors w (O, I), b (O,), w, b, ...: PyTorch keeps w transposed."""


def params(problem: Problem) -> Params:
    """Return the problem's weights as tensors."""
    arrays = [array for w, b in problem.weights() for array in (w.T.copy(), b)]
    return [torch.from_numpy(array) for array in arrays]


def batches(problem: Problem) -> list[tuple[Any, Any]]:
    """Return the batches as tensors."""
    return [(torch.from_numpy(x), torch.from_numpy(y)) for x, y in problem.split()]


def arrays(params: Params) -> list[Array]:
    """Return the weights as NumPy arrays, w (I, O)."""
    return [np.ascontiguousarray(p.detach().numpy().T) for p in params]


def forward(params: Params, x: Any, activation: str) -> Any:
    """Return the prediction."""
    activate = torch.relu if activation == "relu" else torch.sigmoid
    for index in range(0, len(params) - 2, 2):
        x = activate(linear(x, params[index], params[index + 1]))
    return linear(x, params[-2], params[-1])


class Eager:
    """The usual loop: loss, `backward()`, the optimizer's step."""

    def __init__(self, problem: Problem, rows: int, threads: int) -> None:
        torch.set_num_threads(threads)
        self.params = [p.requires_grad_() for p in params(problem)]
        self.batches = batches(problem)
        self.activation = problem.activation
        self.optimizer = torch.optim.SGD(self.params, lr=problem.lr, fused=True)

    def run(self, repeats: int) -> None:
        """Train for so many epochs."""
        for _ in range(repeats):
            for x, y in self.batches:
                self.optimizer.zero_grad(set_to_none=True)
                mse_loss(forward(self.params, x, self.activation), y).backward()
                self.optimizer.step()

    def result(self) -> list[Array]:
        """Return the weights."""
        return arrays(self.params)


class Compiled:
    """Forward, loss, backward and update traced into one graph, compiled for these shapes."""

    def __init__(self, problem: Problem, rows: int, threads: int) -> None:
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
        self.params = params(problem)
        self.batches = batches(problem)

        def loss(params: Params, x: Any, y: Any) -> Any:
            return mse_loss(forward(params, x, problem.activation), y)

        def step(params: Params, x: Any, y: Any) -> Any:
            grads, value = torch.func.grad_and_value(loss)(params, x, y)
            for param, grad in zip(params, grads, strict=True):
                param.sub_(grad, alpha=problem.lr)
            return value

        # From kernel to kernel in the generated C++, without Python in between.
        options: dict[str, Any] = {"cpp_wrapper": True}
        self.step = torch.compile(step, fullgraph=True, dynamic=False, options=options)

    def run(self, repeats: int) -> None:
        """Train for so many epochs."""
        for _ in range(repeats):
            for x, y in self.batches:
                self.step(self.params, x, y)

    def result(self) -> list[Array]:
        """Return the weights."""
        return arrays(self.params)


class Predictor:
    """Eager forward in inference mode, which compiling only slows; tensors in, tensors out."""

    def __init__(self, problem: Problem, rows: int, threads: int) -> None:
        torch.set_num_threads(threads)
        self.params = params(problem)
        self.x = torch.from_numpy(problem.rows(rows)[0])
        self.activation = problem.activation

    def predict(self) -> Any:
        """Return the prediction."""
        return forward(self.params, self.x, self.activation)

    def run(self, repeats: int) -> None:
        """Predict so many times."""
        with torch.inference_mode():
            for _ in range(repeats):
                self.predict()

    def result(self) -> list[Array]:
        """Return the prediction."""
        with torch.inference_mode():
            return [self.predict().numpy()]
