"""The modules of PyTorch that have a brick, and the settings they share.

Each function returns the settings of the brick, or raises a ValueError that names a setting of the
module that the brick does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from handnn.layers import (
    ELU,
    GELU,
    Affine,
    BatchNorm,
    Dropout,
    Embedding,
    Layer,
    LayerNorm,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)

MIN_THRESHOLD = 12.0
"""The smallest supported threshold of Softplus; below it, PyTorch's error exceeds 1e-6."""

Settings = dict[str, object]


def _batch_norm(child: Any) -> Settings:
    if child.momentum is None:
        raise ValueError("momentum is None, a mean over all batches")
    return {"momentum": child.momentum, "eps": child.eps}


def _gelu(child: Any) -> Settings:
    return {"form": "erf" if child.approximate == "none" else child.approximate}


def _layer_norm(child: Any) -> Settings:
    if len(child.normalized_shape) != 1:
        raise ValueError(f"normalized_shape is {tuple(child.normalized_shape)}, not one number")
    return {"eps": child.eps}


def _softmax(child: Any) -> Settings:
    if child.dim not in (1, -1):
        raise ValueError(f"dim is {child.dim}, not 1")
    return {}


def _softplus(child: Any) -> Settings:
    if child.beta != 1:
        raise ValueError(f"beta is {child.beta}, not 1")
    if child.threshold < MIN_THRESHOLD:
        raise ValueError(f"threshold is {child.threshold}, below {MIN_THRESHOLD}")
    return {}


def _embedding(child: Any) -> Settings:
    for setting in ("padding_idx", "max_norm"):
        if getattr(child, setting) is not None:
            raise ValueError(f"{setting} is {getattr(child, setting)}, not None")
    return {"column": child.column}


def _same(**names: str) -> Callable[[Any], Settings]:
    """Return a function that renames settings: ours="theirs"."""
    return lambda child: {ours: getattr(child, theirs) for ours, theirs in names.items()}


BRICKS_OF: Mapping[str, tuple[type[Layer], Callable[[Any], Settings]]] = {
    "BatchNorm1d": (BatchNorm, _batch_norm),
    "Dropout": (Dropout, _same(p="p")),
    "ELU": (ELU, _same(alpha="alpha")),
    "Embedding": (Embedding, _embedding),
    "GELU": (GELU, _gelu),
    "LayerNorm": (LayerNorm, _layer_norm),
    "LeakyReLU": (LeakyReLU, _same(slope="negative_slope")),
    "Linear": (Affine, _same()),
    "ReLU": (ReLU, _same()),
    "Sigmoid": (Sigmoid, _same()),
    "SiLU": (SiLU, _same()),
    "Softmax": (Softmax, _softmax),
    "Softplus": (Softplus, _softplus),
    "Tanh": (Tanh, _same()),
}
"""The brick of each module of torch.nn, by the name of the module, and its settings.

"Embedding" is that of `handnn.exchange.torch.modules`; PyTorch's own takes codes only.
"""
