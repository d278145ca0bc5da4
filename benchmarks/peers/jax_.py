# mypy: disable-error-code="import-not-found, import-untyped, no-untyped-call"
"""JAX: one jitted step with donated buffers, and the complete training in one jit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.problems import BETAS, EPS, Array, Problem

Tree: TypeAlias = Any  # nested tuples and lists of arrays


ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "relu": jax.nn.relu,
    "sigmoid": jax.nn.sigmoid,
    "gelu": partial(jax.nn.gelu, approximate=False),
}


def forward(activation: str, params: Tree, x: jax.Array) -> jax.Array:
    """Return the prediction."""
    activate = ACTIVATIONS[activation]
    for w, b in params[:-1]:
        x = activate(x @ w + b)
    w, b = params[-1]
    out: jax.Array = x @ w + b
    return out


def loss(problem: Problem, params: Tree, batch: Tree) -> jax.Array:
    """Return the loss on a batch."""
    x, y = batch
    out = forward(problem.activation, params, x)
    if problem.loss == "mse":
        return jnp.mean((out - y) ** 2)
    return -jnp.mean(jnp.sum(jax.nn.one_hot(y, out.shape[1]) * jax.nn.log_softmax(out), axis=1))


class Learner:
    """The training state (weights, optimizer state) and one step."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.optimizer: Tree = None
        params = jax.tree.map(jnp.array, problem.weights())
        if problem.optimizer == "adam":
            import optax

            self.optimizer = optax.adam(problem.lr, *BETAS, EPS)
        self.state = (params, self.optimizer.init(params) if self.optimizer else ())

    def step(self, state: Tree, batch: Tree) -> Tree:
        """Return the state after one step, and the loss before it."""
        params, kept = state
        value, grads = jax.value_and_grad(partial(loss, self.problem))(params, batch)
        if self.optimizer:
            moves, kept = self.optimizer.update(grads, kept)
        else:
            moves = jax.tree.map(lambda g: -self.problem.lr * g, grads)
        return (jax.tree.map(jnp.add, params, moves), kept), value


class Jit:
    """One jitted call per step, with the old weights donated."""

    def __init__(self, problem: Problem, rows: int, threads: int) -> None:
        jax.config.update("jax_cpu_enable_async_dispatch", False)  # run in the calling thread
        jax.config.update("jax_enable_x64", problem.dtype == "float64")
        self.learner = Learner(problem)
        self.state = self.learner.state
        self.batches = [jax.device_put(batch) for batch in problem.split()]
        self.step = jax.jit(self.learner.step, donate_argnums=0)

    def run(self, repeats: int) -> None:
        """Train for `repeats` epochs."""
        state = self.state
        for _ in range(repeats):
            for batch in self.batches:
                state, _ = self.step(state, batch)
        self.state = jax.block_until_ready(state)

    def result(self) -> list[Array]:
        """Return the weights."""
        return [np.asarray(array) for layer in self.state[0] for array in layer]


class Scan(Jit):
    """One call for all epochs: `lax.scan` over the batches in a loop over the epochs."""

    def __init__(self, problem: Problem, rows: int, threads: int) -> None:
        super().__init__(problem, rows, threads)
        self.data = jax.tree.map(lambda *batches: jnp.stack(batches), *self.batches)

        def train(state: Tree, data: Tree, epochs: jax.Array) -> Tree:
            def epoch(_: jax.Array, carried: Tree) -> Tree:
                state, values = lax.scan(self.learner.step, carried[0], data)
                return state, jnp.mean(values)

            return lax.fori_loop(0, epochs, epoch, (state, jnp.zeros((), problem.dtype)))

        self.train = jax.jit(train, donate_argnums=0)

    def run(self, repeats: int) -> None:
        """Train for `repeats` epochs."""
        self.state, _ = jax.block_until_ready(self.train(self.state, self.data, repeats))


class Predictor:
    """A jitted forward from JAX arrays to JAX arrays."""

    def __init__(self, problem: Problem, rows: int, threads: int) -> None:
        jax.config.update("jax_cpu_enable_async_dispatch", False)
        jax.config.update("jax_enable_x64", problem.dtype == "float64")
        self.params = jax.tree.map(jnp.array, problem.weights())
        self.x = jax.device_put(problem.rows(rows)[0])
        self.forward = jax.jit(partial(forward, problem.activation))

    def run(self, repeats: int) -> None:
        """Predict `repeats` times."""
        for _ in range(repeats):
            self.forward(self.params, self.x).block_until_ready()

    def result(self) -> list[Array]:
        """Return the prediction."""
        return [np.asarray(self.forward(self.params, self.x))]
