"""The compiled engine: a network of our bricks as one C++ program, with the bits of the bricks."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, cast

from handnn import _core
from handnn.arrays import Array
from handnn.layers import BRICKS, Activation, Affine, Brick, Layer
from handnn.layers.layer import params_of
from handnn.losses import Loss, MSELoss
from handnn.optimizers import OPTIMIZERS, GradientOptimizer, Optimizer


def obstacle(layers: list[Brick]) -> str | None:
    """Return what keeps these bricks from being compiled, None when nothing does."""
    for index, layer in enumerate(layers):
        known: Any = BRICKS.get(type(layer).__name__)
        if known is not type(layer) or not cast(Layer, layer).kind:  # a subclass may differ
            return f"layer {index} is a {type(layer).__name__}, which is not one of handnn's bricks"
    arrays = [array for layer in layers for array in params_of(layer).values()]
    if not arrays:
        return "no layer has anything to learn"
    if not all(array.size for array in arrays):
        return "an array of the network is empty"
    if not all(a.flags.c_contiguous and a.flags.writeable and a.flags.aligned for a in arrays):
        return "an array of the network is not C-contiguous, aligned and writable"
    places = sorted((a.__array_interface__["data"][0], a.nbytes) for a in arrays)
    if any(start + size > following for (start, size), (following, _) in pairwise(places)):
        return "two arrays of the network share memory"
    return None


def training_obstacle(layers: list[Brick], loss: Loss, optimizer: Optimizer) -> str | None:
    """Return what keeps a training of these parts from being compiled, None when nothing does."""
    if type(loss) is not MSELoss:
        return f"the loss is a {type(loss).__name__}, which is not one of handnn's"
    if type(optimizer) not in OPTIMIZERS:
        return f"the optimizer is {type(optimizer).__name__}, which is not one of the engine's"
    return obstacle(layers)


def train(
    layers: list[Brick],
    loss: MSELoss,
    optimizer: GradientOptimizer,
    rows: tuple[Array, ...],
    *,
    epochs: int,
    batch_size: int,
    seed: int | None,
    first_epoch: int,
    losses: list[tuple[float, float]],
) -> None:
    """Train for `epochs` epochs in one call, and add the loss and the seconds of each to `losses`.

    rows: x (N, I), y (N, O) and, if there are any, weights (N,), of the dtype of the layers. seed
    and first_epoch decide the order of the rows (see `row_order`); seed None keeps it. The arrays
    of layers and optimizer are changed in place; what layers and loss had kept of their last
    forward and backward is dropped. When interrupted (Ctrl-C), all arrays are those of a whole
    step, and `losses` has the whole epochs.
    """
    optimizer.check()
    optimizer.check_names(
        {f"{i}.{n}": a for i, layer in enumerate(layers) for n, a in params_of(layer).items()}
    )
    x, y, *weight = rows
    y = y[:, None] if y.ndim == 1 else y
    bricks = [
        _described(
            layer,
            {n: optimizer.learnt(f"{index}.{n}", param) for n, param in params_of(layer).items()},
        )
        for index, layer in enumerate(layers)
    ]
    settings = {
        **optimizer.settings,
        "lr": optimizer.lr,
        "step": optimizer.steps + 1,
        "decoupled": optimizer.decoupled,
        "clip_value": optimizer.clip_value_or_inf,
    }
    steps: list[int] = []
    for layer in layers:
        vars(layer).update(dict.fromkeys(cast(Layer, layer).kept))
    vars(loss).update(dict.fromkeys(("pre", "y_true", "sample_weight", "loss")))
    try:
        _core.train(
            bricks,
            loss.gradient == "exact",
            optimizer.kind,
            settings,
            math.inf if optimizer.clip_norm is None else optimizer.clip_norm,
            optimizer.factors(epochs * -(-len(x) // batch_size)),
            x,
            y,
            weight[0] if weight else None,
            epochs,
            batch_size,
            seed,
            first_epoch,
            x.dtype == "float32",
            losses,
            steps,
        )
    finally:  # interrupted or not, every step counts
        optimizer.steps += sum(steps)


def row_order(count: int, seed: int, epoch: int) -> Any:
    """Return the order of `count` rows in an epoch: a permutation that these three decide."""
    return _core.row_order(count, seed, epoch)


def _described(layer: Brick, learnt: dict[str, Any]) -> tuple[Any, ...]:
    """Return what the engine must know of a brick; learnt: what `GradientOptimizer.learnt` says."""
    ours = cast(Layer, layer)
    number = layer.number if isinstance(layer, Activation) else 0.0
    return ours.kind, number, ours.params, learnt


class Forward:
    """The forward pass of some bricks, compiled: safe to call from several threads at once."""

    def __init__(self, layers: list[Brick]) -> None:
        self._layers = list(layers)
        self._arrays = [(a, a.w, a.b) for a in layers if isinstance(a, Affine)]
        ours = [cast(Layer, layer) for layer in layers]
        self._settings = [(a, a.settings) for a in ours if a.settings]
        bricks: list[Any] = [_described(layer, {}) for layer in layers]
        self.predict = _core.predictor(bricks, self._arrays[0][1].dtype == "float32")

    def is_of(self, layers: list[Brick]) -> bool:
        """Return whether `layers` are still the bricks, with the arrays, that were compiled."""
        if self._layers != layers:
            return False
        for affine, w, b in self._arrays:  # loops, because all(...) takes twice as long
            if affine.w is not w or affine.b is not b:
                return False
        return not self._settings or all(a.settings == then for a, then in self._settings)
