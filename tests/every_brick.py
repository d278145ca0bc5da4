"""Every brick of handnn in a small network, and bricks of one's own, with rows that they take.

What takes a network apart (jacobian, trace, layer_statistics) is tested on each of them.
"""

from __future__ import annotations

import numpy as np

from handnn import (
    ELU,
    GELU,
    Affine,
    BatchNorm,
    Dropout,
    Embedding,
    LayerNorm,
    LeakyReLU,
    Network,
    ReLU,
    Residual,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from tests.own_bricks import Halve, Scale

N_IN, WIDTH, N_OUT = 4, 5, 3


def batch_norm(rng, dtype):
    """One whose running statistics are not those it starts with."""
    mean, var = rng.normal(size=WIDTH), rng.uniform(0.5, 2, WIDTH)
    gamma, beta = rng.normal(size=WIDTH), rng.normal(size=WIDTH)
    return BatchNorm(gamma.astype(dtype), beta, mean, var)


def layer_norm(rng, dtype):
    return LayerNorm(rng.normal(size=WIDTH).astype(dtype), rng.normal(size=WIDTH))


def residual(rng, dtype):
    block = [affine(rng, dtype), Tanh(), Residual([batch_norm(rng, dtype), Softmax()]), Scale(5)]
    block[-1].params["factor"] = block[-1].params["factor"].astype(dtype)
    return Residual(block)


def affine(rng, dtype):
    return Affine.random(WIDTH, WIDTH, "xavier", rng, dtype)


MIDDLES = {
    "Affine": affine,
    "BatchNorm": batch_norm,
    "Dropout": lambda rng, dtype: Dropout(0.3, rng=7),
    "ELU": lambda rng, dtype: ELU(0.7),
    "Embedding": lambda rng, dtype: None,  # stands first, see `layers`
    "GELU": lambda rng, dtype: GELU(),
    "GELU tanh": lambda rng, dtype: GELU("tanh"),
    "LayerNorm": layer_norm,
    "LeakyReLU": lambda rng, dtype: LeakyReLU(0.2),
    "ReLU": lambda rng, dtype: ReLU(),
    "Residual": residual,
    "SiLU": lambda rng, dtype: SiLU(),
    "Sigmoid": lambda rng, dtype: Sigmoid(),
    "Softmax": lambda rng, dtype: Softmax(),
    "Softplus": lambda rng, dtype: Softplus(),
    "Tanh": lambda rng, dtype: Tanh(),
    "own, learning": lambda rng, dtype: Scale(WIDTH, dtype),
    "own": lambda rng, dtype: Halve(),
}
"""Between two Affines; by the name of its class, and what is special about it."""


def network(name, dtype="float64", seed=3):
    """A network N_IN → N_OUT with that brick in the middle."""
    rng = np.random.default_rng(seed)
    if name == "Embedding":
        first = [Embedding.random(6, 2, column=1, rng=rng, dtype=dtype), affine(rng, dtype)]
    else:
        first = [Affine.random(N_IN, WIDTH, rng=rng, dtype=dtype), MIDDLES[name](rng, dtype)]
    return Network([*first, Affine.random(WIDTH, N_OUT, rng=rng, dtype=dtype)])


def rows(name, count=6, dtype="float64", seed=11):
    """x (count, N_IN) and y (count, N_OUT) for that network."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, N_IN))
    if name == "Embedding":
        x[:, 1] = rng.integers(0, 6, count)
    return x.astype(dtype), rng.normal(size=(count, N_OUT)).astype(dtype)


def state(network):
    """All that a network is and remembers, to be compared before and after with ==."""

    def seen(value):
        if isinstance(value, np.ndarray):
            return (id(value), str(value.dtype), value.shape, value.tobytes())
        if isinstance(value, dict):
            return {name: seen(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [seen(inner) for inner in value]
        if hasattr(value, "forward") or type(value).__name__ == "Network":
            return (id(value), seen(vars(value)))
        return repr(value)

    return seen(network)
