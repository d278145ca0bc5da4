"""from_torch: a `torch.nn.Sequential` as a Network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from handnn.arrays import Array
from handnn.exchange.torch.library import imported_torch
from handnn.exchange.torch.settings import BRICKS_OF
from handnn.initializers import RandomSource, generator
from handnn.layers import Dropout, Layer, Residual
from handnn.network import Network
from handnn.storage.names import TORCH_NAMES, is_turned

if TYPE_CHECKING:
    from types import ModuleType

    from torch import Tensor, dtype
    from torch.nn import Module


def from_torch(module: Module, rng: RandomSource = None) -> Network:
    """Return a Network equivalent to a `torch.nn.Sequential`, with copies of its weights.

    Nested Sequentials are unpacked, Identity and Flatten() are dropped, and a Linear without bias
    becomes an Affine whose b is 0. Each brick is in the mode of its module.

    rng: None, an int or a numpy Generator; it seeds Dropout.

    Raises:
        TypeError: If a module has no brick, or its dtype is neither float32 nor float64.
        ValueError: If a brick lacks a setting of the module, a module has hooks, or a parameter is
        in two places. The message has PyTorch's name of the module.
        ImportError: If PyTorch is not installed.

    Examples:
        >>> from torch import nn  # doctest: +SKIP
        >>> handnn.from_torch(nn.Sequential(nn.Linear(3, 2), nn.ReLU()))  # doctest: +SKIP
        Network(Affine 3→2, ReLU; 8 parameters, float32)
    """
    torch = imported_torch("from_torch")
    if not isinstance(module, torch.nn.Module):
        raise TypeError(
            f"from_torch: module must be a torch.nn.Module, but is a {type(module).__name__}"
        )
    reader = _Reader(torch, generator(rng, "from_torch: rng"))
    layers = list(reader.bricks("", module))
    if not layers:
        raise ValueError("from_torch: module has no layers")
    network = Network(layers)
    for brick, training in reader.modes:  # a Residual sets the mode of its block, so it comes first
        brick.training = training
    return network


HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class _Reader:
    """Turns modules into bricks and records their modes, dtype and tensors."""

    def __init__(self, torch: ModuleType, rng: np.random.Generator) -> None:
        from handnn.exchange.torch import modules

        self.torch = torch
        self.ours = modules
        self.rng = rng
        self.modes: list[tuple[Layer, bool]] = []
        self.seen: dict[int, str] = {}
        self.dtype: dtype | None = None
        self.dtype_of = ""

    def bricks(self, name: str, module: Module) -> Iterator[Layer]:
        """Yield the bricks of the module called `name`."""
        nn, shown = self.torch.nn, _shown(name, module)
        if any(getattr(module, hooks, None) for hooks in HOOKS) or "forward" in vars(module):
            raise ValueError(f"from_torch: {shown} has hooks or a forward of its own")
        if type(module) is nn.Sequential:
            for key, child in _children(module):
                yield from self.bricks(f"{name}.{key}" if name else key, child)
        elif type(module) is self.ours.Residual:
            place = len(self.modes)
            inner = self.bricks
            block = [b for key, child in _children(module) for b in inner(f"{name}.{key}", child)]
            brick = self._built(shown, Residual, {"block": block})
            self.modes.insert(place, (brick, module.training))
            yield brick
        elif not (type(module) is nn.Identity or _is_plain_flatten(nn, module)):
            brick = self._brick(name, shown, module)
            self.modes.append((brick, module.training))
            yield brick

    def _brick(self, name: str, shown: str, module: Module) -> Layer:
        kind = type(module).__name__
        known = self.ours.Embedding if kind == "Embedding" else getattr(self.torch.nn, kind, None)
        if kind not in BRICKS_OF or known is not type(module):
            raise TypeError(
                f"from_torch: handnn has no brick for {shown}; it has bricks for "
                f"{', '.join(BRICKS_OF)}"
            )
        build, settings = BRICKS_OF[kind]
        arrays: dict[str, Array] = {}
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
        try:
            more = settings(module)
        except ValueError as error:
            raise ValueError(f"from_torch: {shown} is not supported: {error}") from None
        seed = {"rng": self.rng} if build is Dropout else {}
        return self._built(shown, build, {**arrays, **seed, **more})

    def _built(self, shown: str, build: Callable[..., Layer], parts: Mapping[str, object]) -> Layer:
        try:
            return build(**parts)
        except (TypeError, ValueError) as error:
            raise type(error)(f"from_torch: {shown} is not supported: {error}") from None

    def _array(self, name: str, tensor: Tensor) -> Array:
        """Return the numbers of a tensor, which may share its memory."""
        if tensor.dtype not in (self.torch.float32, self.torch.float64) or tensor.is_meta:
            kind = "on the device meta" if tensor.is_meta else str(tensor.dtype)
            raise TypeError(f"from_torch: {name} is {kind}; it must be float32 or float64")
        if self.dtype not in (None, tensor.dtype):
            raise TypeError(
                f"from_torch: {self.dtype_of} is {self.dtype} but {name} is {tensor.dtype}"
            )
        if id(tensor) in self.seen:
            raise ValueError(
                f"from_torch: {self.seen[id(tensor)]} and {name} are the same tensor, "
                "which bricks cannot share"
            )
        if self.dtype is None:
            self.dtype, self.dtype_of = tensor.dtype, name
        self.seen[id(tensor)] = name
        array: Array = tensor.detach().cpu().numpy()
        return array


def _children(module: Module) -> Iterator[tuple[str, Module]]:
    """Yield the modules in a module; unlike `named_children`, include repeated ones."""
    for key, child in module._modules.items():
        if child is not None:
            yield key, child


def _is_plain_flatten(nn: ModuleType, module: Any) -> bool:
    return type(module) is nn.Flatten and (module.start_dim, module.end_dim) == (1, -1)


def _shown(name: str, module: Module) -> str:
    """Return the module's name for messages: its name in PyTorch and one line of its repr."""
    kind = type(module).__name__
    text = repr(module)
    return f"{name or 'module'} ({text if chr(10) not in text else kind})"
