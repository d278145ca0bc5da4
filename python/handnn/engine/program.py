"""Layers and an optimizer in the form that the C++ engine needs, kept while it is valid."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from handnn import _core
from handnn.arrays import Array
from handnn.layers import Brick, Dropout, Layer, is_ours
from handnn.layers.layer import Setting, params_of
from handnn.layers.sequence import walk
from handnn.losses import KernelLoss
from handnn.optimizers import GradientOptimizer

Update: TypeAlias = tuple[Sequence[Array], float, float]
"""A param's optimizer states, its factor of lr and its weight decay."""

Numbers: TypeAlias = Mapping[str, float | tuple[int, ...]]
"""The numbers of a brick, by name."""

BrickSpec: TypeAlias = tuple[str, Numbers, Mapping[str, Array], Mapping[str, Update]]
"""A brick as cpp/bindings/bricks.hpp expects it: kind, numbers, arrays, updates of its params."""


LossSpec: TypeAlias = tuple[str, float, Array | None, bool]
"""A loss as cpp/bindings/training.cpp expects it: kind, number, numbers, is_exact."""

OptimizerSpec: TypeAlias = tuple[str, dict[str, float], float, NDArray[np.float64] | None]
"""An optimizer in the same form: kind, settings, clip_norm, the schedule's factor of each step."""

ProgramSpec: TypeAlias = tuple[list[BrickSpec], LossSpec, OptimizerSpec, bool]
"""A program in the same form: bricks, loss, optimizer, whether in float32."""


def brick_specs(
    layers: Sequence[Brick], optimizer: GradientOptimizer | None = None, prefix: str = ""
) -> list[BrickSpec]:
    """Return the layers as the engine expects them, with each block between a fork and an add.

    With an optimizer, each param has its states, which are created if missing.
    """
    specs: list[BrickSpec] = []
    for index, layer in enumerate(layers):
        assert is_ours(layer)  # obstacle() has ruled out all others
        name = f"{prefix}{index}."
        if layer.block:
            specs.append(("fork", {}, {}, {}))
            specs += brick_specs(layer.block, optimizer, name)
            specs.append(("add", {}, {}, {}))
            continue
        updates: dict[str, Update] = {}
        if optimizer is not None:
            params = layer.params.items()
            updates = {n: optimizer.update_arguments(name + n, param) for n, param in params}
        specs.append((layer.kind, layer.numbers, {**layer.params, **layer.buffers}, updates))
    return specs


class CompiledLayers:
    """The layers that were compiled, with their arrays and settings at that time."""

    def __init__(self, layers: list[Brick]) -> None:
        self._layers = list(layers)
        ours = self._ours = [layer for _, layer in walk(layers) if is_ours(layer)]
        self._attributes: list[tuple[dict[str, object], str, object]] = []
        self._others: list[tuple[Layer, dict[str, Array]]] = []
        self._settings: list[tuple[Layer, Mapping[str, Setting]]] = []
        for brick in ours:
            arrays = {} if brick.block else {**brick.params, **brick.buffers}
            if not self._watch(brick, arrays):
                self._others.append((brick, arrays))
            if not self._watch(brick, brick.settings):
                self._settings.append((brick, brick.settings))

    def _watch(self, brick: Layer, values: Mapping[str, object]) -> bool:
        """Watch the attributes that hold these values; return whether all are attributes."""
        attributes = vars(brick)
        if any(attributes.get(name) is not value for name, value in values.items()):
            return False
        self._attributes += [(attributes, name, value) for name, value in values.items()]
        return True

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """Copy and pickle as None: a copied network compiles its own layers."""
        return type(None), ()

    def is_of(self, layers: list[Brick]) -> bool:
        """Return whether `layers` are these layers, with the same arrays and settings."""
        if self._layers != layers:
            return False
        for attributes, name, value in self._attributes:  # all(...) takes twice as long
            now = attributes.get(name)
            if now is not value and (isinstance(value, np.ndarray) or now != value):
                return False
        for brick, arrays in self._others:
            held = {**brick.params, **brick.buffers}
            if any(held[name] is not array for name, array in arrays.items()):
                return False
        return not self._settings or all(a.settings == then for a, then in self._settings)


class _PredictedLayers(CompiledLayers):
    """Layers whose Dropout does nothing."""

    def __init__(self, layers: list[Brick]) -> None:
        super().__init__(layers)
        self._settings = [pair for pair in self._settings if not isinstance(pair[0], Dropout)]


class Forward(_PredictedLayers):
    """A compiled forward pass. Several threads may call `predict` at once."""

    def __init__(self, layers: list[Brick]) -> None:
        super().__init__(layers)
        self.predict = _core.predictor(brick_specs(layers), _dtype_of(layers) == np.float32)


class ForwardAll:
    """The compiled forward passes of several networks for one input, in one call.

    `predict` returns their outputs (K, N, O) for x (N, I), or None if an array was resized in
    place. Several threads may call it at once.
    """

    def __init__(self, networks: Sequence[list[Brick]]) -> None:
        self._parts = [_PredictedLayers(layers) for layers in networks]
        specs = [brick_specs(layers) for layers in networks]
        self.predict = _core.bag_predictor(specs, _dtype_of(networks[0]) == np.float32)

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """Copy and pickle as None, as `CompiledLayers` does."""
        return type(None), ()

    def is_of(self, networks: Sequence[list[Brick]]) -> bool:
        """Return whether these are the networks, with the same arrays and settings."""
        parts = self._parts
        return len(parts) == len(networks) and all(map(_PredictedLayers.is_of, parts, networks))


class TrainingProgram(CompiledLayers):
    """Layers, a loss and an optimizer, checked and ready to train, until one of them changes.

    Checking and describing them can take longer than an epoch, so a fit does it once.
    """

    def __init__(self, layers: list[Brick], loss: KernelLoss, optimizer: GradientOptimizer) -> None:
        optimizer.check()
        optimizer.check_names(
            {f"{i}.{n}": a for i, layer in enumerate(layers) for n, a in params_of(layer).items()}
        )
        super().__init__(layers)
        self._loss = loss
        self._optimizer = optimizer
        self._is_float32 = _dtype_of(layers) == np.float32
        self._dropouts = [layer for layer in self._ours if isinstance(layer, Dropout)]
        self._kept = [(vars(a), dict.fromkeys(a.kept)) for a in self._ours if a.kept]
        self._kept.append((vars(loss), dict.fromkeys(("pre", "y_true", "sample_weight", "loss"))))
        self._bricks = brick_specs(layers, optimizer)
        self._dropout_places = [
            i for i, brick in enumerate(self._bricks) if brick[0] == Dropout.kind
        ]
        self._optimizer_vars = _settings_of(optimizer)
        self._optimizer_settings = {
            **optimizer.settings,
            "lr": optimizer.lr,
            "decoupled": optimizer.decoupled,
            "clip_value": optimizer.clip_value_or_inf,
        }
        self._clip_norm = math.inf if optimizer.clip_norm is None else optimizer.clip_norm
        self._states = [
            (state, name, array)
            for state, kept in optimizer.state.items()
            for name, array in kept.items()
        ]

    def spec(self, n_steps: int) -> ProgramSpec:
        """Return the program as the engine expects it, for its next `n_steps` steps."""
        for i, dropout in zip(self._dropout_places, self._dropouts, strict=True):
            kind, _, arrays, updates = self._bricks[i]
            self._bricks[i] = (kind, dropout.numbers, arrays, updates)
        loss, optimizer = self._loss, self._optimizer
        self._optimizer_settings["step"] = optimizer.steps + 1
        factors = optimizer.factors(n_steps)
        return (
            self._bricks,
            (loss.kind, loss.number, loss.numbers, loss.is_exact),
            (optimizer.kind, self._optimizer_settings, self._clip_norm, factors),
            self._is_float32,
        )

    def forget(self) -> None:
        """Set to None the arrays that layers and loss keep from forward and backward."""
        for attributes, nothing in self._kept:
            attributes.update(nothing)

    def count_steps(self, n_steps: int, n_steps_tried: int) -> None:
        """Count the steps taken; a Dropout also counts a step whose update was skipped."""
        self._optimizer.steps += n_steps
        for dropout in self._dropouts:
            dropout.step += n_steps_tried

    def is_still(self, layers: list[Brick]) -> bool:
        """Return whether neither the layers nor the optimizer have changed, except by training."""
        if not self.is_of(layers):
            return False
        optimizer = self._optimizer
        state = optimizer.state
        for kind, name, array in self._states:
            if kind not in state or state[kind].get(name) is not array:
                return False
        return _settings_of(optimizer) == self._optimizer_vars


def _dtype_of(layers: Sequence[Brick]) -> np.dtype[np.floating]:
    return next(array.dtype for brick in layers for array in params_of(brick).values())


def _settings_of(optimizer: GradientOptimizer) -> dict[str, object]:
    """Return all attributes that a user may set, but not those that change at every step."""
    found = dict(vars(optimizer))
    for name in ("steps", "state", "_factors"):
        del found[name]
    found["lr_scales"] = dict(optimizer.lr_scales)
    return found
