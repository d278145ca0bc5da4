# mypy: disable-error-code="no-any-return, no-untyped-call"
"""A Network as a `torch.nn.Sequential`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from handnn.exchange.copies import copy_of_ours
from handnn.exchange.torch.library import imported_torch
from handnn.exchange.torch.settings import BRICKS_OF
from handnn.layers import (
    ELU,
    GELU,
    Affine,
    BatchNorm,
    Brick,
    Dropout,
    Embedding,
    Layer,
    LayerNorm,
    LeakyReLU,
    Residual,
    is_ours,
)
from handnn.network import Network
from handnn.storage.names import state_dict

if TYPE_CHECKING:
    from types import ModuleType

    from torch.nn import Module, Sequential

SOFTPLUS_THRESHOLD = 35.0
"""Above this, PyTorch returns x for log(1 + exp(x)). From 34.1 on, both are the same float64."""


def network_to_torch(network: Network) -> Sequential:
    """Return a network as a Sequential; raise what `to_torch` raises."""
    known = {"Residual", *(brick.__name__ for brick, _ in BRICKS_OF.values())}
    copy = copy_of_ours(network, "to_torch", "PyTorch", known)
    torch = imported_torch("to_torch")
    sequential: Sequential = torch.nn.Sequential(*_modules(torch, copy.layers))
    tensors = {
        name: torch.tensor(array, device="cpu") for name, array in state_dict(copy.layers).items()
    }
    sequential.load_state_dict(tensors)
    sequential.training = all(child.training for child in sequential)
    return sequential


def _modules(torch: ModuleType, layers: list[Brick]) -> list[Module]:
    """Return the modules of bricks that PyTorch has; their params have arbitrary values."""
    built = []
    for layer in layers:
        assert is_ours(layer)
        build = MODULES.get(type(layer).__name__, _same_name)
        module = build(torch, layer)
        if isinstance(layer, Residual):
            module.training = layer.training  # the modules of the block have their own modes
        else:
            module.train(layer.training)
        built.append(module)
    return built


def _place(torch: ModuleType, layer: Layer) -> dict[str, Any]:
    """Return the device and the dtype of the params of a module."""
    dtype = next(iter(layer.params.values())).dtype
    return {"device": "cpu", "dtype": getattr(torch, str(dtype))}


def _affine(torch: ModuleType, layer: Affine) -> Module:
    # skip_init does not draw from PyTorch's random state
    return torch.nn.utils.skip_init(torch.nn.Linear, *layer.w.shape, **_place(torch, layer))


def _batch_norm(torch: ModuleType, layer: BatchNorm) -> Module:
    place = _place(torch, layer)
    return torch.nn.BatchNorm1d(len(layer.gamma), layer.eps, layer.momentum, **place)


def _dropout(torch: ModuleType, layer: Dropout) -> Module:
    return torch.nn.Dropout(layer.p)


def _elu(torch: ModuleType, layer: ELU) -> Module:
    return torch.nn.ELU(layer.alpha)


def _embedding(torch: ModuleType, layer: Embedding) -> Module:
    from handnn.exchange.torch import modules

    place = _place(torch, layer)
    return torch.nn.utils.skip_init(modules.Embedding, *layer.w.shape, layer.column, **place)


def _gelu(torch: ModuleType, layer: GELU) -> Module:
    return torch.nn.GELU("none" if layer.form == "erf" else "tanh")


def _layer_norm(torch: ModuleType, layer: LayerNorm) -> Module:
    return torch.nn.LayerNorm(len(layer.gamma), layer.eps, **_place(torch, layer))


def _leaky_relu(torch: ModuleType, layer: LeakyReLU) -> Module:
    return torch.nn.LeakyReLU(layer.slope)


def _residual(torch: ModuleType, layer: Residual) -> Module:
    from handnn.exchange.torch import modules

    return modules.Residual(*_modules(torch, layer.block))


def _same_name(torch: ModuleType, layer: Layer) -> Module:
    """Return the module of the same name, without settings."""
    return getattr(torch.nn, type(layer).__name__)()


MODULES: Mapping[str, Callable[[ModuleType, Any], Module]] = {
    "Affine": _affine,
    "BatchNorm": _batch_norm,
    "Dropout": _dropout,
    "ELU": _elu,
    "Embedding": _embedding,
    "GELU": _gelu,
    "LayerNorm": _layer_norm,
    "LeakyReLU": _leaky_relu,
    "Residual": _residual,
    "Softmax": lambda torch, layer: torch.nn.Softmax(dim=1),
    "Softplus": lambda torch, layer: torch.nn.Softplus(threshold=SOFTPLUS_THRESHOLD),
}
"""The builder of the module, by the name of the brick; `_same_name` builds the others."""
