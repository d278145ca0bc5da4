"""Networks to export, one or more for each brick, and the tolerance of their predictions."""

from __future__ import annotations

import numpy as np

from handnn import Network, mlp
from handnn.layers import (
    ACTIVATIONS,
    ELU,
    GELU,
    Affine,
    BatchNorm,
    Dropout,
    Embedding,
    LayerNorm,
    LeakyReLU,
    ReLU,
    Residual,
    SiLU,
    Softmax,
    Tanh,
)
from handnn.layers.sequence import walk

COLUMNS = 9
CODES = 6
"""Columns 2 and 8 of x hold codes from 0 to 5."""

RELATIVE = {"float32": 1e-6, "float64": 1e-14}
"""The tolerance of one brick, relative to the largest output."""


def affine(n_in, n_out, rng, dtype):
    w, b = rng.normal(size=(n_in, n_out)) / np.sqrt(n_in), rng.normal(size=n_out)
    return Affine(w.astype(dtype), b.astype(dtype))


def norm_arrays(columns, rng, dtype, count):
    """Return gamma, beta, and for BatchNorm means and variances."""
    arrays = rng.normal(size=(4, columns))
    arrays[0] += 2
    arrays[3] = rng.uniform(0.5, 2, columns)
    return [array.astype(dtype) for array in arrays[:count]]


def batch_norm(columns, rng, dtype, **settings):
    return BatchNorm(*norm_arrays(columns, rng, dtype, 4), **settings)


def layer_norm(columns, rng, dtype, **settings):
    return LayerNorm(*norm_arrays(columns, rng, dtype, 2), **settings)


def embedding(n_out, column, rng, dtype):
    return Embedding(rng.normal(size=(CODES, n_out)).astype(dtype), column)


def residual(columns, rng, dtype):
    inner = Residual([layer_norm(columns, rng, dtype), Tanh()])
    block = [affine(columns, 20, rng, dtype), ReLU(), Dropout(0.2, rng=2)]
    return Residual([*block, affine(20, columns, rng, dtype), inner])


def activation(brick):
    return lambda rng, dtype: brick()


BRICKS = {
    **{brick.__name__: activation(brick) for brick in ACTIVATIONS.values()},
    "Affine": lambda rng, dtype: affine(COLUMNS, COLUMNS, rng, dtype),
    "BatchNorm": lambda rng, dtype: batch_norm(COLUMNS, rng, dtype),
    "BatchNorm, settings": lambda rng, dtype: batch_norm(
        COLUMNS, rng, dtype, momentum=0.3, eps=0.1
    ),
    "Dropout": lambda rng, dtype: Dropout(0.3, rng=5),
    "ELU, settings": lambda rng, dtype: ELU(0.7),
    "Embedding": lambda rng, dtype: embedding(3, 2, rng, dtype),
    "Embedding of the last column": lambda rng, dtype: embedding(1, 8, rng, dtype),
    "GELU, tanh": lambda rng, dtype: GELU("tanh"),
    "LayerNorm": lambda rng, dtype: layer_norm(COLUMNS, rng, dtype),
    "LayerNorm, settings": lambda rng, dtype: layer_norm(COLUMNS, rng, dtype, eps=0.1),
    "LeakyReLU, settings": lambda rng, dtype: LeakyReLU(1.5),
    "Residual": lambda rng, dtype: residual(COLUMNS, rng, dtype),
    "Softmax": lambda rng, dtype: Softmax(),
}


def of_one_brick(name, dtype, seed=0):
    """Return the brick after an identity Affine, which determines dtype and columns."""
    brick = BRICKS[name](np.random.default_rng(seed), dtype)
    return Network([Affine(np.eye(COLUMNS, dtype=dtype), np.zeros(COLUMNS, dtype)), brick])


def tabular(dtype, seed=0):
    """Return a network for a table: two columns of codes, a norm, and a residual block."""
    rng = np.random.default_rng(seed)
    return Network(
        [
            embedding(4, 2, rng, dtype),
            embedding(2, 7, rng, dtype),  # column 8 of x; column 2 is removed
            batch_norm(13, rng, dtype),
            affine(13, 24, rng, dtype),
            residual(24, rng, dtype),
            SiLU(),
            Dropout(0.1, rng=1),
            affine(24, 5, rng, dtype),
            Softmax(),
        ]
    )


NETWORKS = {
    "an mlp": lambda dtype: mlp([COLUMNS, 128, 64, 10], rng=0, dtype=dtype),
    "one column": lambda dtype: mlp([COLUMNS, 1, 1], "sigmoid", rng=0, dtype=dtype),
    "one column of many inputs": lambda dtype: mlp([COLUMNS, 75, 1], rng=0, dtype=dtype),
    "tabular": tabular,
}

NAMES = [*BRICKS, *NETWORKS]


def network_of(name, dtype):
    return of_one_brick(name, dtype) if name in BRICKS else NETWORKS[name](dtype)


def allowed(name, dtype):
    """Return the tolerance of a network: the sum over its bricks."""
    if name in BRICKS:
        return RELATIVE[dtype]
    return RELATIVE[dtype] * sum(1 for _ in walk(network_of(name, dtype).layers))


def rows_of(count, dtype, scale=2.0, seed=3):
    """Return rows for a network, with codes in the columns of codes."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, scale, (count, COLUMNS))
    x[:, [2, 8]] = rng.integers(0, CODES, (count, 2))
    return x.astype(dtype)


def error(actual, expected):
    """Return the largest difference relative to the largest expected number."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape
    if not expected.size:
        return 0.0
    return float(abs(actual - expected).max() / abs(expected).max())
