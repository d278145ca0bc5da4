"""The bricks of a network, one a file."""

from __future__ import annotations

from handnn.layers.affine import Affine
from handnn.layers.dropout import Dropout
from handnn.layers.elu import ELU
from handnn.layers.embedding import Embedding
from handnn.layers.gelu import GELU
from handnn.layers.layer import Activation, Brick, Layer
from handnn.layers.leaky_relu import LeakyReLU
from handnn.layers.relu import ReLU
from handnn.layers.residual import Residual
from handnn.layers.sigmoid import Sigmoid
from handnn.layers.silu import SiLU
from handnn.layers.softplus import Softplus
from handnn.layers.tanh import Tanh

BRICKS: dict[str, type[Layer]] = {
    brick.__name__: brick
    for brick in (
        Affine,
        Dropout,
        ELU,
        Embedding,
        GELU,
        LeakyReLU,
        ReLU,
        Residual,
        Sigmoid,
        SiLU,
        Softplus,
        Tanh,
    )
}
"""Every brick of handnn by its name: what a file may hold and the engine may compile."""

__all__ = [
    "BRICKS",
    "ELU",
    "GELU",
    "Activation",
    "Affine",
    "Brick",
    "Dropout",
    "Embedding",
    "Layer",
    "LeakyReLU",
    "ReLU",
    "Residual",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Tanh",
]
