"""Networks to and from PyTorch: `torch.nn.Sequential` of the layers that both have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from handnn.arrays import Array
from handnn.exchange.copies import copy_of_ours
from handnn.initializers import RandomSource
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
    ReLU,
    Residual,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from handnn.network import Network
from handnn.storage.names import TORCH_NAMES, is_turned, state_dict

SOFTPLUS_THRESHOLD = 35.0
"""Above it PyTorch takes x for log(1 + exp(x)); from 34.1 on they are one float64."""

LEAST_THRESHOLD = 12.0
"""Below it they differ by more than a millionth."""


def to_torch(network: Network) -> Any:
    """Return the network as a `torch.nn.Sequential` of the same dtype, with weights of its own.

    Each brick becomes the module of the same place, in the mode (training or not) that it is in;
    Residual and Embedding become those of `handnn.exchange.modules`. The random state of
    PyTorch is left alone. Raises TypeError for a brick that is not one of handnn's, ImportError
    without PyTorch.
    """
    known = {"Residual", *(brick.__name__ for brick, _ in SETTINGS.values())}
    copy = copy_of_ours(network, "to_torch", "PyTorch", known)
    torch = _import_torch("to_torch")
    module = torch.nn.Sequential(*(_module(torch, layer) for layer in copy.layers))
    arrays = state_dict(copy.layers)
    module.load_state_dict({n: torch.tensor(a, device="cpu") for n, a in arrays.items()})
    module.training = all(child.training for child in module)
    return module


def from_torch(module: Any, rng: RandomSource = None) -> Network:
    """Return a Network that computes what a `torch.nn.Sequential` does, with weights of its own.

    Sequentials in it are unpacked, Identity and Flatten() dropped (our rows have one dimension),
    and a Linear without bias gets one of 0. rng: where the seeds of Dropout come from. Each layer
    is in the mode that its module is in.

    Raises TypeError for a module that handnn has no brick for, or a dtype but float32 and float64;
    ValueError for a setting that the brick cannot have, for hooks, and for a parameter that stands
    in two places. The message has PyTorch's name of the module. ImportError without PyTorch.
    """
    torch = _import_torch("from_torch")
    if not isinstance(module, torch.nn.Module):
        raise TypeError(
            f"from_torch: module must be a torch.nn.Module, but is a {type(module).__name__}"
        )
    reader = _Reader(torch, np.random.default_rng(rng))
    layers = list(reader.bricks("", module))
    if not layers:
        raise ValueError("from_torch: module has no layers")
    network = Network(layers)
    for brick, training in reader.modes:  # a Residual's first, then those in it
        brick.training = training
    return network


def _import_torch(where: str) -> Any:
    try:
        import torch
    except ImportError:
        raise ImportError(f"{where} needs PyTorch: pip install torch") from None
    return torch


def _module(torch: Any, layer: Any) -> Any:
    """Return the module that does what the brick does, but for the numbers in its arrays."""
    nn = torch.nn
    dtype = getattr(torch, str(next(iter(layer.params.values())).dtype)) if layer.params else None
    place: dict[str, Any] = {"device": "cpu", "dtype": dtype}
    module: Any
    if isinstance(layer, Affine):  # skip_init: nothing is drawn from PyTorch's random numbers
        module = nn.utils.skip_init(nn.Linear, *layer.w.shape, **place)
    elif isinstance(layer, BatchNorm):
        module = nn.BatchNorm1d(len(layer.gamma), layer.eps, layer.momentum, **place)
    elif isinstance(layer, Dropout):
        module = nn.Dropout(layer.p)
    elif isinstance(layer, ELU):
        module = nn.ELU(layer.alpha)
    elif isinstance(layer, Embedding):
        from handnn.exchange.torch.modules import Embedding as Module

        module = nn.utils.skip_init(Module, *layer.w.shape, layer.column, **place)
    elif isinstance(layer, GELU):
        module = nn.GELU("none" if layer.form == "erf" else "tanh")
    elif isinstance(layer, LayerNorm):
        module = nn.LayerNorm(len(layer.gamma), layer.eps, **place)
    elif isinstance(layer, LeakyReLU):
        module = nn.LeakyReLU(layer.slope)
    elif isinstance(layer, Residual):
        from handnn.exchange.torch.modules import Residual as Block

        module = Block(*(_module(torch, inner) for inner in layer.block))
        module.training = layer.training
        return module
    elif isinstance(layer, Softmax):
        module = nn.Softmax(dim=1)
    elif isinstance(layer, Softplus):
        module = nn.Softplus(threshold=SOFTPLUS_THRESHOLD)
    else:  # ReLU, Sigmoid, SiLU and Tanh have one name here and there
        module = getattr(nn, type(layer).__name__)()
    return module.train(layer.training)


def _batch_norm(child: Any) -> dict[str, Any]:
    if child.momentum is None:
        raise ValueError("momentum is None, a mean over all batches")
    return {"momentum": child.momentum, "eps": child.eps}


def _gelu(child: Any) -> dict[str, Any]:
    return {"form": "erf" if child.approximate == "none" else child.approximate}


def _layer_norm(child: Any) -> dict[str, Any]:
    if len(child.normalized_shape) != 1:
        raise ValueError(f"normalized_shape is {tuple(child.normalized_shape)}, not of one number")
    return {"eps": child.eps}


def _softmax(child: Any) -> dict[str, Any]:
    if child.dim not in (1, -1):
        raise ValueError(f"dim is {child.dim}, not 1")
    return {}


def _softplus(child: Any) -> dict[str, Any]:
    if child.beta != 1:
        raise ValueError(f"beta is {child.beta}, not 1")
    if child.threshold < LEAST_THRESHOLD:
        raise ValueError(f"threshold is {child.threshold}, below {LEAST_THRESHOLD}")
    return {}


def _embedding(child: Any) -> dict[str, Any]:
    for setting in ("padding_idx", "max_norm"):
        if getattr(child, setting) is not None:
            raise ValueError(f"{setting} is {getattr(child, setting)}, not None")
    return {"column": child.column}


def _nothing(child: Any) -> dict[str, Any]:
    return {}


SETTINGS: Mapping[str, tuple[type[Layer], Callable[[Any], dict[str, Any]]]] = {
    "BatchNorm1d": (BatchNorm, _batch_norm),
    "Dropout": (Dropout, lambda child: {"p": child.p}),
    "ELU": (ELU, lambda child: {"alpha": child.alpha}),
    "Embedding": (Embedding, _embedding),
    "GELU": (GELU, _gelu),
    "LayerNorm": (LayerNorm, _layer_norm),
    "LeakyReLU": (LeakyReLU, lambda child: {"slope": child.negative_slope}),
    "Linear": (Affine, _nothing),
    "ReLU": (ReLU, _nothing),
    "Sigmoid": (Sigmoid, _nothing),
    "SiLU": (SiLU, _nothing),
    "Softmax": (Softmax, _softmax),
    "Softplus": (Softplus, _softplus),
    "Tanh": (Tanh, _nothing),
}
"""PyTorch's modules by name: our brick, and its settings, or a ValueError that says what differs.

Embedding is that of `modules`; PyTorch's own takes nothing but codes.
"""

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class _Reader:
    """Turns modules into bricks, and notes what it has seen."""

    def __init__(self, torch: Any, rng: np.random.Generator) -> None:
        from handnn.exchange.torch import modules

        self.torch = torch
        self.ours = modules
        self.rng = rng
        self.modes: list[tuple[Any, bool]] = []
        self.seen: dict[int, str] = {}
        self.dtype: Any = None
        self.dtype_of = ""

    def bricks(self, name: str, module: Any) -> Iterator[Brick]:
        """Yield the bricks that do what the module called `name` does."""
        nn, shown = self.torch.nn, _shown(name, module)
        if any(getattr(module, hooks, None) for hooks in HOOKS) or "forward" in vars(module):
            raise ValueError(f"from_torch: {shown} has hooks or a forward of its own")
        if type(module) is nn.Sequential:
            # Not named_children, which leaves out what comes a second time.
            for key, child in module._modules.items():
                yield from self.bricks(f"{name}.{key}" if name else key, child)
        elif type(module) is self.ours.Residual:
            place = len(self.modes)
            inner = self.bricks
            children = module._modules.items()
            block = [b for key, child in children for b in inner(f"{name}.{key}", child)]
            brick = self._built(shown, Residual, {"block": block})
            self.modes.insert(place, (brick, module.training))
            yield brick
        elif not (type(module) is nn.Identity or _is_plain_flatten(nn, module)):
            brick = self._brick(name, shown, module)
            self.modes.append((brick, module.training))
            yield brick

    def _brick(self, name: str, shown: str, module: Any) -> Any:
        kind = type(module).__name__
        known = self.ours.Embedding if kind == "Embedding" else getattr(self.torch.nn, kind, None)
        if kind not in SETTINGS or known is not type(module):
            raise TypeError(
                f"from_torch: handnn has no brick for {shown}; it has some for Sequential, "
                f"Identity, {', '.join(SETTINGS)}"
            )
        build, settings = SETTINGS[kind]
        arrays: dict[str, Any] = {}
        for ours, theirs in TORCH_NAMES.get(build.__name__, {}).items():
            tensor = getattr(module, theirs)
            if tensor is None and (kind, theirs) == ("Linear", "bias"):
                arrays[ours] = np.zeros(len(module.weight), arrays["w"].dtype)
            elif tensor is None:
                raise ValueError(f"from_torch: {shown} has no {theirs}")
            else:
                array = self._array(f"{name}.{theirs}" if name else theirs, tensor)
                turned = array.T if is_turned(build.__name__, ours) else array
                arrays[ours] = np.array(turned, order="C")
        if build is Dropout:
            arrays["rng"] = self.rng
        try:
            more = settings(module)
        except ValueError as error:
            raise ValueError(f"from_torch: handnn has no such {shown}: {error}") from None
        return self._built(shown, build, {**arrays, **more})

    def _built(self, shown: str, build: Any, parts: dict[str, Any]) -> Any:
        try:
            return build(**parts)
        except (TypeError, ValueError) as error:
            raise type(error)(f"from_torch: handnn has no such {shown}: {error}") from None

    def _array(self, name: str, tensor: Any) -> Array:
        """Return the numbers of a tensor, where it may be that they are still the tensor's."""
        if tensor.dtype not in (self.torch.float32, self.torch.float64) or tensor.is_meta:
            kind = "on the device meta" if tensor.is_meta else str(tensor.dtype)
            raise TypeError(f"from_torch: {name} is {kind}; it must be float32 or float64")
        if self.dtype not in (None, tensor.dtype):
            raise TypeError(
                f"from_torch: {self.dtype_of} is {self.dtype} but {name} is {tensor.dtype}"
            )
        if id(tensor) in self.seen:
            raise ValueError(
                f"from_torch: {self.seen[id(tensor)]} and {name} are one tensor; bricks share none"
            )
        if self.dtype is None:
            self.dtype, self.dtype_of = tensor.dtype, name
        self.seen[id(tensor)] = name
        array: Array = tensor.detach().cpu().numpy()
        return array


def _is_plain_flatten(nn: Any, module: Any) -> bool:
    return type(module) is nn.Flatten and (module.start_dim, module.end_dim) == (1, -1)


def _shown(name: str, module: Any) -> str:
    """Return what a message calls the module: its name and one line of it."""
    kind = type(module).__name__
    text = repr(module)
    return f"{name or 'module'} ({text if chr(10) not in text else kind})"
