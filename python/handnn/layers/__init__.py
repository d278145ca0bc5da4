"""The bricks of a network, one a file."""

from __future__ import annotations

from typing import TypeGuard

from handnn.layers.affine import Affine
from handnn.layers.batch_norm import BatchNorm
from handnn.layers.dropout import Dropout
from handnn.layers.elu import ELU
from handnn.layers.embedding import Embedding
from handnn.layers.gelu import GELU
from handnn.layers.layer import Activation, Brick, Layer
from handnn.layers.layer_norm import LayerNorm
from handnn.layers.leaky_relu import LeakyReLU
from handnn.layers.relu import ReLU
from handnn.layers.residual import Residual
from handnn.layers.sigmoid import Sigmoid
from handnn.layers.silu import SiLU
from handnn.layers.softmax import Softmax
from handnn.layers.softplus import Softplus
from handnn.layers.tanh import Tanh

BRICKS: dict[str, type[Layer]] = {
    brick.__name__: brick
    for brick in (
        Affine,
        BatchNorm,
        Dropout,
        ELU,
        Embedding,
        GELU,
        LayerNorm,
        LeakyReLU,
        ReLU,
        Residual,
        Sigmoid,
        SiLU,
        Softmax,
        Softplus,
        Tanh,
    )
}
"""Every brick of handnn by its name: what a file may hold and the engine may compile."""


def is_ours(layer: object) -> TypeGuard[Layer]:
    """Return whether `layer` is one of `BRICKS` itself; a subclass may compute something else."""
    return BRICKS.get(type(layer).__name__) is type(layer)


__all__ = [
    "BRICKS",
    "ELU",
    "GELU",
    "Activation",
    "Affine",
    "BatchNorm",
    "Brick",
    "Dropout",
    "Embedding",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "ReLU",
    "Residual",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "is_ours",
]
