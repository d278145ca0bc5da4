"""Layers and an optimizer in the form that the C++ engine takes, kept while it is valid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from handnn import _core
from handnn.arrays import Array
from handnn.engine.obstacles import is_ours
from handnn.layers import Affine, Brick, Dropout
from handnn.layers.layer import params_of
from handnn.layers.sequence import walk
from handnn.optimizers import GradientOptimizer

Learnt: TypeAlias = tuple[Sequence[Array], float, float]
"""A param's optimizer states, its factor of lr and its weight decay."""

BrickSpec: TypeAlias = tuple[str, Mapping[str, float], Mapping[str, Array], Mapping[str, Learnt]]
"""A brick as cpp/bindings/bricks.hpp takes it: kind, numbers, arrays, how its params learn."""


def brick_specs(
    layers: Sequence[Brick], optimizer: GradientOptimizer | None = None, prefix: str = ""
) -> list[BrickSpec]:
    """Return the layers as the engine takes them; a block stands between a fork and an add.

    With an optimizer, each param comes with its states, which are created where missing.
    """
    specs: list[BrickSpec] = []
    for index, layer in enumerate(layers):
        assert is_ours(layer)  # obstacle() has excluded all others
        name = f"{prefix}{index}."
        if layer.block:
            specs.append(("fork", {}, {}, {}))
            specs += brick_specs(layer.block, optimizer, name)
            specs.append(("add", {}, {}, {}))
            continue
        learnt: dict[str, Learnt] = {}
        if optimizer is not None:
            learnt = {n: optimizer.learnt(name + n, param) for n, param in layer.params.items()}
        specs.append((layer.kind, layer.numbers, {**layer.params, **layer.buffers}, learnt))
    return specs


class CompiledLayers:
    """The layers that were compiled, with their arrays and settings at that time."""

    def __init__(self, layers: list[Brick]) -> None:
        self._layers = list(layers)
        ours = [layer for _, layer in walk(layers) if is_ours(layer)]
        self._affines = [(a, a.w, a.b) for a in ours if isinstance(a, Affine)]
        self._others = [
            (a, {**a.params, **a.buffers})
            for a in ours
            if not (isinstance(a, Affine) or a.block) and (a.params or a.buffers)
        ]
        self._settings = [(a, a.settings) for a in ours if a.settings]

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """Copy and pickle as None: a copied network compiles its own layers."""
        return type(None), ()

    def is_of(self, layers: list[Brick]) -> bool:
        """Return whether `layers` are these layers, with the same arrays and settings."""
        if self._layers != layers:
            return False
        for affine, w, b in self._affines:  # loops, because all(...) takes twice as long
            if affine.w is not w or affine.b is not b:
                return False
        for brick, arrays in self._others:
            now = {**brick.params, **brick.buffers}
            if any(now[name] is not array for name, array in arrays.items()):
                return False
        return not self._settings or all(a.settings == then for a, then in self._settings)


class Forward(CompiledLayers):
    """A compiled forward pass. Several threads may call `predict` at once."""

    def __init__(self, layers: list[Brick]) -> None:
        super().__init__(layers)
        dtype = next(array.dtype for brick in layers for array in params_of(brick).values())
        self.predict = _core.predictor(brick_specs(layers), dtype == np.float32)


class Prepared(CompiledLayers):
    """Layers and an optimizer, checked and ready to train, until one of them changes.

    Preparing takes longer than many an epoch, so a fit does it once.
    """

    def __init__(self, layers: list[Brick], optimizer: GradientOptimizer) -> None:
        optimizer.check()
        optimizer.check_names(
            {f"{i}.{n}": a for i, layer in enumerate(layers) for n, a in params_of(layer).items()}
        )
        super().__init__(layers)
        self.optimizer = optimizer
        ours = [layer for _, layer in walk(layers) if is_ours(layer)]
        self.dropouts = [layer for layer in ours if isinstance(layer, Dropout)]
        self._kept = [(layer, dict.fromkeys(layer.kept)) for layer in ours if layer.kept]
        self._specs = brick_specs(layers, optimizer)
        self._dropout_places = [i for i, spec in enumerate(self._specs) if spec[0] == Dropout.kind]
        self._optimizer_settings = _settings_of(optimizer)
        self._states = [
            (state, name, array)
            for state, kept in optimizer.state.items()
            for name, array in kept.items()
        ]

    def specs(self) -> list[BrickSpec]:
        """Return the layers as the engine takes them, with the present step of each Dropout."""
        for i, dropout in zip(self._dropout_places, self.dropouts, strict=True):
            kind, _, arrays, learnt = self._specs[i]
            self._specs[i] = (kind, dropout.numbers, arrays, learnt)
        return self._specs

    def forget(self) -> None:
        """Set to None what the layers kept of their last forward and backward."""
        for layer, nothing in self._kept:
            vars(layer).update(nothing)

    def is_still(self, layers: list[Brick], optimizer: GradientOptimizer) -> bool:
        """Return whether these are the prepared layers and optimizer, unchanged."""
        if self.optimizer is not optimizer or not self.is_of(layers):
            return False
        state = optimizer.state
        for kind, name, array in self._states:
            if kind not in state or state[kind].get(name) is not array:
                return False
        return _settings_of(optimizer) == self._optimizer_settings


def _settings_of(optimizer: GradientOptimizer) -> dict[str, object]:
    """Return all attributes that a user may set, but not those that change at every step."""
    found = dict(vars(optimizer))
    for name in ("steps", "state", "_factors"):
        del found[name]
    found["lr_scales"] = dict(optimizer.lr_scales)
    return found
