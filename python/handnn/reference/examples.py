"""A small instance of every layer, loss and optimizer, with valid data.

Layers, losses and optimizers that can be built without arguments, or from the settings of their
calls, are found in the lists of their packages. Only the others are written out here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from handnn.arrays import Array
from handnn.layers import (
    BRICKS,
    GELU,
    Affine,
    BatchNorm,
    Dropout,
    Embedding,
    Layer,
    LayerNorm,
    Residual,
    Softmax,
    Tanh,
)
from handnn.layers.layer import Brick
from handnn.losses import KernelLoss
from handnn.network import Network
from handnn.optimizers import GradientOptimizer
from handnn.reference.calls import LOSS_CALLS, OPTIMIZER_CALLS
from handnn.reference.calls.call import Call

N_IN, WIDTH, N_OUT = 4, 5, 3

BuildBrick = Callable[[np.random.Generator, DTypeLike], Brick]
BuildLayer = Callable[[np.random.Generator, DTypeLike], Layer]


def affine(rng: np.random.Generator, dtype: DTypeLike) -> Affine:
    """Return an Affine from WIDTH to WIDTH columns."""
    return Affine.random(WIDTH, WIDTH, "xavier", rng, dtype)


def batch_norm(rng: np.random.Generator, dtype: DTypeLike) -> BatchNorm:
    """Return a BatchNorm with random params and random running statistics."""
    mean, var = rng.normal(size=WIDTH), rng.uniform(0.5, 2, WIDTH)
    gamma, beta = rng.normal(size=WIDTH), rng.normal(size=WIDTH)
    return BatchNorm(gamma.astype(dtype), beta, mean, var)


def layer_norm(rng: np.random.Generator, dtype: DTypeLike) -> LayerNorm:
    """Return a LayerNorm with random params."""
    return LayerNorm(rng.normal(size=WIDTH).astype(dtype), rng.normal(size=WIDTH))


def embedding(rng: np.random.Generator, dtype: DTypeLike) -> Embedding:
    """Return an Embedding of the codes 0 to 5 in column 1, with vectors of length 2."""
    return Embedding.random(6, 2, column=1, rng=rng, dtype=dtype)


def residual(rng: np.random.Generator, dtype: DTypeLike) -> Residual:
    """Return a Residual with another one in its block."""
    inner = Residual([batch_norm(rng, dtype), Softmax()])
    return Residual([affine(rng, dtype), Tanh(), inner])


def without_arguments(brick: type[Layer]) -> BuildLayer:
    """Return the builder of a brick whose arguments all have defaults."""
    return lambda rng, dtype: brick()


LAYERS: dict[str, BuildLayer] = {
    **{name: without_arguments(brick) for name, brick in BRICKS.items()},
    "Affine": affine,
    "BatchNorm": batch_norm,
    "Dropout": lambda rng, dtype: Dropout(0.3, rng=7),
    "Embedding": embedding,
    "GELU tanh": lambda rng, dtype: GELU("tanh"),
    "LayerNorm": layer_norm,
    "Residual": residual,
}
"""Every layer, by the name of its class and its variant; all but Embedding preserve WIDTH."""


def network(
    name: str,
    dtype: DTypeLike = "float64",
    seed: int = 3,
    bricks: Mapping[str, BuildBrick] = LAYERS,
) -> Network:
    """Return a network N_IN → N_OUT with that brick between Affines; an Embedding comes first."""
    rng = np.random.default_rng(seed)
    if name == "Embedding":
        first = [bricks[name](rng, dtype), affine(rng, dtype)]
    else:
        first = [Affine.random(N_IN, WIDTH, rng=rng, dtype=dtype), bricks[name](rng, dtype)]
    return Network([*first, Affine.random(WIDTH, N_OUT, rng=rng, dtype=dtype)])


def data(
    name: str, n_rows: int = 6, dtype: DTypeLike = "float64", seed: int = 11
) -> tuple[Array, Array]:
    """Return x (n_rows, N_IN) and y (n_rows, N_OUT) for that network."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_rows, N_IN))
    if name == "Embedding":
        x[:, 1] = rng.integers(0, 6, n_rows)
    y: Array = rng.normal(size=(n_rows, N_OUT)).astype(dtype)
    return x.astype(dtype), y


class LossExample(NamedTuple):
    """A loss with valid raw outputs, targets and sample weights."""

    loss: KernelLoss
    pre: Array
    y_true: Array
    sample_weight: Array


def loss_examples(
    loss: type[KernelLoss], n_rows: int = 17, dtype: DTypeLike = "float64", seed: int = 0
) -> Iterator[LossExample]:
    """Yield an example for each combination of settings and targets among the loss's calls."""
    build: Callable[..., KernelLoss] = loss
    weight = np.random.default_rng(seed).uniform(0.5, 3, n_rows).astype(dtype)
    seen = set()
    for call in LOSS_CALLS:
        if call.function != f"{loss.kind}_forward":
            continue
        arrays = call.arrays(dtype, {"N": n_rows, "O": 5, "Q": 3}, seed)
        made = build(**accepted(loss, {**call.options, **arrays}))
        if (repr(made), call.axes["y_true"]) not in seen:
            seen.add((repr(made), call.axes["y_true"]))
            yield LossExample(made, arrays["pre"], arrays["y_true"], weight)


def optimizer_examples(optimizer: type[GradientOptimizer]) -> Iterator[GradientOptimizer]:
    """Yield an instance for each combination of settings among the optimizer's calls."""
    build: Callable[..., GradientOptimizer] = optimizer
    for call in optimizer_calls(optimizer):
        yield build(**accepted(optimizer, call.options))


def optimizer_calls(optimizer: type[GradientOptimizer]) -> list[Call]:
    """Return the calls of an optimizer's update; AdamW has those of Adam that are decoupled."""
    return [
        call
        for call in OPTIMIZER_CALLS
        if call.kind == optimizer.kind
        and bool(call.options.get("decoupled")) == optimizer.decoupled
    ]


def accepted(build: type, settings: Mapping[str, object]) -> dict[str, object]:
    """Return the settings that the constructor takes, or passes on to the class it derives from."""
    names: set[str] = set()
    for part in build.__mro__:
        if "__init__" in vars(part) and part is not object:
            names.update(inspect.signature(part).parameters)
    return {name: value for name, value in settings.items() if name in names}
