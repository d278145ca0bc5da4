"""Determine whether the engine can compile a network or a training, and if not, why."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from handnn import losses
from handnn.layers import Brick, Embedding, Layer, is_ours
from handnn.layers.layer import params_of
from handnn.layers.sequence import walk
from handnn.losses import Loss
from handnn.optimizers import OPTIMIZERS, Optimizer


def obstacle(layers: Sequence[Brick]) -> str | None:
    """Return the reason why these layers cannot be compiled, or None if they can."""
    ours: list[Layer] = []
    for place, layer in walk(layers):
        if not (is_ours(layer) and layer.kind):
            return f"layer {place} is a {type(layer).__name__}, which is not one of handnn's bricks"
        ours.append(layer)
    n_leading = next((i for i, a in enumerate(layers) if not isinstance(a, Embedding)), len(layers))
    if sum(isinstance(a, Embedding) for a in ours) > n_leading:
        return "an Embedding follows another brick, which computes its codes"
    arrays = [a for layer in layers for a in params_of(layer).values()]
    if not arrays:
        return "no layer has params"
    if not any("in" in a.sizes for a in ours):
        return "no layer fixes the number of columns"
    for layer in layers:
        arrays += layer.buffers.values() if is_ours(layer) else ()
    if not all(array.size for array in arrays):
        return "an array of the network is empty"
    if not all(a.flags.c_contiguous and a.flags.writeable and a.flags.aligned for a in arrays):
        return "an array of the network is not C-contiguous, aligned and writable"
    places = sorted((a.__array_interface__["data"][0], a.nbytes) for a in arrays)
    if any(start + size > following for (start, size), (following, _) in pairwise(places)):
        return "two arrays of the network share memory"
    return None


def training_obstacle(layers: Sequence[Brick], loss: Loss, optimizer: Optimizer) -> str | None:
    """Return the reason why a training of these parts cannot be compiled, or None if it can."""
    if not losses.is_ours(loss):
        return f"the loss is a {type(loss).__name__}, which is not one of handnn's"
    if type(optimizer) not in OPTIMIZERS:
        return f"the optimizer is {type(optimizer).__name__}, which the engine does not support"
    return obstacle(layers)


def compiles(choice: str, layers: Sequence[Brick], loss: Loss, optimizer: Optimizer) -> bool:
    """Return whether a `Trainer` with engine=`choice` compiles the training of these parts.

    choice: "auto", "compiled" or "bricks". Raises ValueError if it is "compiled" and the training
    cannot be compiled.
    """
    if choice == "bricks":
        return False
    found = training_obstacle(layers, loss, optimizer)
    if found and choice == "compiled":
        raise ValueError(f"Trainer: engine='compiled' is not possible here: {found}")
    return found is None
