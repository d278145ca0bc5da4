"""The bricks of a network, one a file."""

from __future__ import annotations

from handnn.layers.affine import Affine
from handnn.layers.batch_norm import BatchNorm
from handnn.layers.elu import ELU
from handnn.layers.gelu import GELU
from handnn.layers.layer import Activation, Brick, Layer
from handnn.layers.layer_norm import LayerNorm
from handnn.layers.leaky_relu import LeakyReLU
from handnn.layers.relu import ReLU
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
        ELU,
        GELU,
        LayerNorm,
        LeakyReLU,
        ReLU,
        Sigmoid,
        SiLU,
        Softmax,
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
    "BatchNorm",
    "Brick",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]
