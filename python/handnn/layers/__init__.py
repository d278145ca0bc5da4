"""The bricks of a network, one per file."""

from __future__ import annotations

from typing import TypeGuard

from handnn.layers.affine import Affine
from handnn.layers.batch_norm import BatchNorm
from handnn.layers.binned_affine import BinnedAffine
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
"""Every public brick by class name. Files may contain these, and exports take them."""

ACTIVATIONS: dict[str, type[Activation]] = {
    brick().kind: brick for brick in BRICKS.values() if issubclass(brick, Activation)
}
"""Every activation by the name that `mlp` and the estimators use."""


COMPILED: dict[str, type[Layer]] = {**BRICKS, BinnedAffine.__name__: BinnedAffine}
"""Every brick that the engine compiles: those of `BRICKS`, and one only for training tables."""


def is_ours(layer: object) -> TypeGuard[Layer]:
    """Return whether the class of `layer` is in `COMPILED`; a subclass of one is not."""
    return COMPILED.get(type(layer).__name__) is type(layer)


def is_public(layer: object) -> bool:
    """Return whether the class of `layer` is in `BRICKS`, so that files may contain it."""
    return BRICKS.get(type(layer).__name__) is type(layer)


__all__ = [
    "ACTIVATIONS",
    "BRICKS",
    "COMPILED",
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
    "is_public",
]
