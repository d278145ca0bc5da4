"""The calls into the C++ engine."""

from __future__ import annotations

import math
from time import perf_counter
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from handnn import _core
from handnn.arrays import Array
from handnn.engine import signals
from handnn.engine.epochs import PlainEpochs
from handnn.engine.program import TrainingProgram
from handnn.engine.sampling import BatchSampler
from handnn.engine.stop import Stop, check_stop, supervision
from handnn.losses import KernelLoss

TrainingSpan = _core.TrainingSpan
"""The epochs that one call trains: `epochs` of them, the first with the number `first_epoch`.

If that one was interrupted, `first_step` of its steps are done, and `total` is the sum of their
losses, each times its rows.
"""


ShardingSpec: TypeAlias = tuple[int, int, int, object]
"""The number of slices of a batch, the first and the last of this process, and an exchange or None.

The exchange adds the slices of other processes, as cpp/bindings/training.cpp expects it.
"""

ONE_SLICE: ShardingSpec = (1, 0, 1, None)


class TrainingRows(NamedTuple):
    """Rows to train on, and rows whose loss is measured after each epoch, or ().

    Both are x (N, I), y (N, O) and optionally weights (N,), of the dtype of the layers.
    """

    rows: tuple[Array, ...]
    held_out: tuple[Array, ...] = ()


def train(
    program: TrainingProgram,
    data: TrainingRows,
    sampler: BatchSampler,
    span: TrainingSpan,
    epochs: PlainEpochs,
    outputs: Array | None = None,
    stop: Stop | None = None,
    sharding: ShardingSpec = ONE_SLICE,
) -> tuple[int, float]:
    """Train in one call; append the finished epochs to `epochs`.

    The arrays of layers and optimizer are changed in place; layers and loss discard what they kept
    for backward. When interrupted (Ctrl-C), all arrays are those after a complete step, and
    `epochs` has the finished ones. Once `stop` is set, training ends after the current step.

    outputs (rows_per_epoch, O) receives the outputs that the losses of the last epoch are computed
    from, batch by batch; only those of the slices of this process.

    The loss of held-out rows has the bits of `Network.predict` and of the loss. The call ends after
    an epoch in which it is not finite.

    The call also ends early, after a step, if a signal waits for it (see `handnn.engine.signals`).

    Returns the number of steps, and the `total` of an unfinished epoch, else 0. A total that is not
    finite means that training ended at such a loss: that step changed no param and is not counted.
    """
    check_stop()
    by = supervision()
    n_steps = span.epochs * sampler.steps
    threads = 0 if by is None else 1
    request = _core.TrainingRequest(
        program.spec(n_steps), *data, sampler, span, outputs, threads, sharding
    )
    result = _core.TrainingResult()
    program.forget()
    stop = (stop or Stop()) if by is None else by.stop
    pause = signals.state.pause
    try:
        if signals.is_main_thread():  # a signal that waits ends the call after a step
            signals.state.pause = stop.pause
            if signals.is_waiting():
                stop.pause()
        _core.train(request, result, stop)
    finally:  # steps count even if a signal handler raised
        if signals.is_main_thread():
            signals.state.pause = pause
        n_failed = 0 if math.isfinite(result.total) else 1
        program.count_steps(result.steps, result.steps + n_failed)
        epochs.extend(result.losses, result.seconds, result.held_out if data.held_out else None)
        if by is not None:  # the call released the GIL
            by.last_yield = perf_counter()
    if result.steps < n_steps - span.first_step:
        check_stop()
    return result.steps, result.total


def check_targets(loss: KernelLoss, y: Array, outputs: int, where: str) -> None:
    """Raise ValueError unless y can be the targets of a network with `outputs` columns."""
    numbers = None if loss.numbers is None else loss.numbers.astype(y.dtype, copy=False)
    _core.check_targets(where, loss.kind, loss.number, numbers, y, outputs)


def largest_columns(pre: Array) -> NDArray[np.int64]:
    """Return ``pre.argmax(axis=1)`` of pre (N, O), several times faster than NumPy."""
    return _core.largest_columns(pre)
