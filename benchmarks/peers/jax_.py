# mypy: disable-error-code="import-not-found, import-untyped, no-untyped-call"
"""JAX: one jitted step with its buffers donated; and the whole training in one jit."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.problems import Array, Problem


def forward(activation: str, params: Any, x: Any) -> Any:
    """Return the prediction."""
    activate = jax.nn.relu if activation == "relu" else jax.nn.sigmoid
    for w, b in params[:-1]:
        x = activate(x @ w + b)
    w, b = params[-1]
    return x @ w + b


def step(activation: str, lr: float, params: Any, batch: Any) -> Any:
    """Return the weights after one step, and the loss before it."""

    def loss(params: Any) -> Any:
        x, y = batch
        return jnp.mean((forward(activation, params, x) - y) ** 2)

    value, grads = jax.value_and_grad(loss)(params)
    return jax.tree.map(lambda p, g: p - lr * g, params, grads), value


class Jit:
    """One jitted call a step; the new weights may take the place of the old ones."""

    def __init__(self, problem: Problem, rows: int, threads: int) -> None:
        jax.config.update("jax_cpu_enable_async_dispatch", False)  # no hand-over to a thread
        self.params = jax.tree.map(jnp.array, problem.weights())
        self.batches = [jax.device_put(batch) for batch in problem.split()]
        self.step = jax.jit(partial(step, problem.activation, problem.lr), donate_argnums=0)

    def run(self, repeats: int) -> None:
        """Train for so many epochs."""
        params = self.params
        for _ in range(repeats):
            for batch in self.batches:
                params, _ = self.step(params, batch)
        self.params = jax.block_until_ready(params)

    def result(self) -> list[Array]:
        """Return the weights."""
        return [np.asarray(array) for layer in self.params for array in layer]


class Scan(Jit):
    """`lax.scan` over the batches inside a loop over the epochs: one call for all of them."""

    def __init__(self, problem: Problem, rows: int, threads: int) -> None:
        super().__init__(problem, rows, threads)
        x, y = problem.rows()
        shape = (problem.batches, problem.batch, -1)
        self.data = jax.device_put((x.reshape(shape), y.reshape(shape)))

        def train(params: Any, data: Any, epochs: Any) -> Any:
            def epoch(_: Any, state: Any) -> Any:
                params, values = lax.scan(
                    partial(step, problem.activation, problem.lr), state[0], data
                )
                return params, jnp.mean(values)

            return lax.fori_loop(0, epochs, epoch, (params, jnp.float32(0)))

        self.train = jax.jit(train, donate_argnums=0)

    def run(self, repeats: int) -> None:
        """Train for so many epochs."""
        self.params, _ = jax.block_until_ready(self.train(self.params, self.data, repeats))


class Predictor:
    """A jitted forward; JAX's arrays in and out."""

    def __init__(self, problem: Problem, rows: int, threads: int) -> None:
        jax.config.update("jax_cpu_enable_async_dispatch", False)
        self.params = jax.tree.map(jnp.array, problem.weights())
        self.x = jax.device_put(problem.rows(rows)[0])
        self.forward = jax.jit(partial(forward, problem.activation))

    def run(self, repeats: int) -> None:
        """Predict so many times."""
        for _ in range(repeats):
            self.forward(self.params, self.x).block_until_ready()

    def result(self) -> list[Array]:
        """Return the prediction."""
        return [np.asarray(self.forward(self.params, self.x))]
