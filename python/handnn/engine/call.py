"""The calls into the C++ engine."""

from __future__ import annotations

import math
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from handnn import _core
from handnn.arrays import Array
from handnn.engine.program import Prepared
from handnn.engine.sampling import BatchSampler
from handnn.engine.stop import Stop, check_stop, supervision
from handnn.layers import Brick
from handnn.losses import KernelLoss
from handnn.optimizers import GradientOptimizer


def train(
    layers: list[Brick],
    loss: KernelLoss,
    optimizer: GradientOptimizer,
    rows: tuple[Array, ...],
    *,
    plan: BatchSampler,
    epochs: int,
    first_epoch: int,
    losses: list[tuple[float, float]],
    first_step: int = 0,
    total: float = 0.0,
    outputs: Array | None = None,
    stop: Stop | None = None,
    prepared: Prepared | None = None,
) -> tuple[int, float]:
    """Train for `epochs` epochs in one call; append the loss and seconds of each to `losses`.

    rows: x (N, I), y (N, O) and, if there are any, weights (N,), of the dtype of the layers. plan
    and first_epoch decide the order of the rows. The arrays of layers and optimizer are changed in
    place; what layers and loss had kept of their last forward and backward is dropped. When
    interrupted (Ctrl-C), all arrays are those of a whole step, and `losses` has the whole epochs.

    first_step: the number of steps of the first epoch that are done already; `total` is the sum of
    their losses, each times its rows. outputs (rows of an epoch, O) receives the outputs that the
    losses of the last epoch are computed from, batch by batch. Once `stop` is set, training ends
    after a whole step. prepared: of these layers and this optimizer, unchanged, if available.

    Returns the number of steps, and the `total` of an unfinished epoch, else 0. A total that is not
    finite means that training ended at such a loss: that step changed no param and is not counted.
    """
    check_stop()
    by = supervision()
    if by is not None:
        stop = by.stop
    x, y, *weight = rows
    if prepared is None:
        prepared = Prepared(layers, optimizer)
    loss_spec = (loss.kind, loss.number, loss.numbers, loss.is_exact)
    settings = {
        **optimizer.settings,
        "lr": optimizer.lr,
        "step": optimizer.steps + 1,
        "decoupled": optimizer.decoupled,
        "clip_value": optimizer.clip_value_or_inf,
    }
    specs = prepared.specs()
    steps: list[int] = []
    last = 0.0
    prepared.forget()
    vars(loss).update(dict.fromkeys(("pre", "y_true", "sample_weight", "loss")))
    try:
        last = _core.train(
            specs,
            loss_spec,
            optimizer.kind,
            settings,
            math.inf if optimizer.clip_norm is None else optimizer.clip_norm,
            optimizer.factors(epochs * plan.steps),
            x,
            y,
            weight[0] if weight else None,
            epochs,
            plan.batch_size,
            plan.seed,
            first_epoch,
            plan.rows_per_epoch,
            plan.replacement,
            first_step,
            total,
            x.dtype == np.float32,
            outputs,
            losses,
            steps,
            stop or Stop(),
            0 if by is None else 1,
        )
    finally:  # interrupted or not, every step counts
        optimizer.steps += sum(steps)
        for dropout in prepared.dropouts:  # a step without an update has dropped entries, too
            dropout.step += sum(steps) + (not math.isfinite(last))
        if by is not None:  # the call runs without the GIL
            by.last_yield = perf_counter()
    if sum(steps) < epochs * plan.steps - first_step:
        check_stop()
    return sum(steps), last


def check_targets(loss: KernelLoss, y: Array, outputs: int, where: str) -> None:
    """Raise ValueError unless y can be the targets of a network with `outputs` columns."""
    numbers = None if loss.numbers is None else loss.numbers.astype(y.dtype, copy=False)
    _core.check_targets(where, loss.kind, loss.number, numbers, y, outputs)


def largest_columns(pre: Array) -> NDArray[np.int64]:
    """Return ``pre.argmax(axis=1)`` of pre (N, O) in a fraction of NumPy's time."""
    return _core.largest_columns(pre)
