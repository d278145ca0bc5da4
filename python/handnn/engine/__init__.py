"""The compiled engine: a network of our bricks as one C++ program, with the bits of the bricks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise
from time import perf_counter, sleep
from typing import Any, NamedTuple, cast

import numpy as np

from handnn import _core
from handnn.arrays import Array
from handnn.layers import BRICKS, Affine, Brick, Dropout, Embedding, Layer
from handnn.layers.layer import params_of
from handnn.layers.sequence import walk
from handnn.losses import LOSSES, KernelLoss, Loss
from handnn.optimizers import OPTIMIZERS, GradientOptimizer, Optimizer


def obstacle(layers: list[Brick]) -> str | None:
    """Return what keeps these bricks from being compiled, None when nothing does."""
    for place, layer in walk(layers):
        known: Any = BRICKS.get(type(layer).__name__)
        if known is not type(layer) or not cast(Layer, layer).kind:  # a subclass may differ
            return f"layer {place} is a {type(layer).__name__}, which is not one of handnn's bricks"
    ours = [cast(Layer, layer) for _, layer in walk(layers)]
    first = next((i for i, a in enumerate(layers) if not isinstance(a, Embedding)), len(layers))
    if sum(isinstance(a, Embedding) for a in ours) > first:
        return "an Embedding stands behind another brick, which computes its codes"
    arrays = [a for layer in layers for a in params_of(layer).values()]
    if not arrays:
        return "no layer has anything to learn"
    if not any("in" in a.sizes for a in ours):
        return "no layer fixes the number of columns"
    arrays += [a for layer in layers for a in cast(Layer, layer).buffers.values()]
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
    if type(loss) not in LOSSES:
        return f"the loss is a {type(loss).__name__}, which is not one of handnn's"
    if type(optimizer) not in OPTIMIZERS:
        return f"the optimizer is {type(optimizer).__name__}, which is not one of the engine's"
    return obstacle(layers)


def compiles(choice: str, layers: list[Brick], loss: Loss, optimizer: Optimizer) -> bool:
    """Return whether `Trainer`'s choice of an engine, "auto", "compiled" or "bricks", compiles.

    Raises ValueError when that was asked for and can't be.
    """
    if choice == "bricks":
        return False
    obstacle = training_obstacle(layers, loss, optimizer)
    if obstacle and choice == "compiled":
        raise ValueError(f"Trainer: engine='compiled' is not possible here: {obstacle}")
    return obstacle is None


def train(
    layers: list[Brick],
    loss: KernelLoss,
    optimizer: GradientOptimizer,
    rows: tuple[Array, ...],
    *,
    plan: Plan,
    epochs: int,
    first_epoch: int,
    losses: list[tuple[float, float]],
    first_step: int = 0,
    total: float = 0.0,
    outputs: Array | None = None,
    stop: Stop | None = None,
    prepared: Prepared | None = None,
) -> tuple[int, float]:
    """Train for `epochs` epochs in one call, and add the loss and the seconds of each to `losses`.

    rows: x (N, I), y (N, O) and, if there are any, weights (N,), of the dtype of the layers. plan
    and first_epoch decide the order of the rows. The arrays of layers and optimizer are changed in
    place; what layers and loss had kept of their last forward and backward is dropped. When
    interrupted (Ctrl-C), all arrays are those of a whole step, and `losses` has the whole epochs.

    first_step: so many steps of the first epoch are done, and `total` is the sum of their losses,
    each times its rows. outputs (rows of an epoch, O) takes what the losses of the last epoch are
    of, batch by batch. Once `stop` is set, training ends after a whole step.
    prepared: of these layers and this optimizer as they are, if that is at hand.

    Returns the number of steps, and the `total` of an epoch that is not whole, else 0. It is not
    finite when training ended at a loss that is not: that step changed no param and is not counted.
    """
    check_stop()
    one = _ONE.get()
    if one is not None:
        stop = one.stop
    x, y, *weight = rows
    if prepared is None:
        prepared = Prepared(layers, optimizer)
    described_loss = (loss.kind, loss.number, loss.numbers, loss.is_exact)
    settings = {
        **optimizer.settings,
        "lr": optimizer.lr,
        "step": optimizer.steps + 1,
        "decoupled": optimizer.decoupled,
        "clip_value": optimizer.clip_value_or_inf,
    }
    bricks = prepared.bricks()
    steps: list[int] = []
    last = 0.0
    prepared.forget()
    vars(loss).update(dict.fromkeys(("pre", "y_true", "sample_weight", "loss")))
    try:
        last = _core.train(
            bricks,
            described_loss,
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
            plan.replaces,
            first_step,
            total,
            x.dtype == "float32",
            outputs,
            losses,
            steps,
            stop or Stop(),
            0 if one is None else 1,
        )
    finally:  # interrupted or not, every step counts
        optimizer.steps += sum(steps)
        for dropout in prepared.dropouts:  # which have dropped in a step without update, too
            dropout.step += sum(steps) + (not math.isfinite(last))
        if one is not None:  # the call is made without the GIL
            one.stood_aside = perf_counter()
    if sum(steps) < epochs * plan.steps - first_step:
        check_stop()
    return sum(steps), last


Stop = _core.Stop
get_num_threads = _core.get_num_threads


class Stopped(BaseException):
    """A training has ended because its `Stop` was set: no error, and nothing to catch."""


class _One:
    """A training that another thread or a fit around it may end: by `stop`, which raises `error`.

    stood_aside: when one of many last did.
    """

    def __init__(self, stop: Stop, error: type[BaseException]) -> None:
        self.stop = stop
        self.error = error
        self.stood_aside = perf_counter()


_ONE: ContextVar[_One | None] = ContextVar("_ONE", default=None)

STAND_ASIDE_EVERY, STAND_ASIDE_FOR = 0.02, 1e-4
"""Seconds. Who waits for the GIL may wait for long while another thread gives it up and takes it
back at once again and again, as NumPy's indexing does; asleep, that thread takes it back later."""


@contextmanager
def one_of_many(stop: Stop) -> Iterator[None]:
    """Let this thread train as one of many: without the pool, and no further once `stop` is set.

    Python's signals reach the main thread only; a training elsewhere looks at `stop` instead.
    """
    with _asked_by(_One(stop, Stopped)):
        yield


@contextmanager
def asked_by(stop: Stop | None) -> Iterator[None]:
    """Let what trains here raise KeyboardInterrupt once `stop` is set; with None by no stop."""
    with _asked_by(None if stop is None else _One(stop, KeyboardInterrupt)):
        yield


@contextmanager
def _asked_by(one: _One | None) -> Iterator[None]:
    token = _ONE.set(one)
    try:
        yield
    finally:
        _ONE.reset(token)


def check_stop() -> None:
    """Raise what ends this training if it is to stop: Stopped when it is one of many."""
    one = _ONE.get()
    if one is None:
        return
    if one.stop.is_set:
        raise one.error
    if perf_counter() > one.stood_aside + STAND_ASIDE_EVERY:
        sleep(STAND_ASIDE_FOR)
        one.stood_aside = perf_counter()


def check_targets(loss: KernelLoss, y: Array, outputs: int, where: str) -> None:
    """Raise ValueError unless y can be the targets of a network with so many columns."""
    numbers = None if loss.numbers is None else loss.numbers.astype(y.dtype, copy=False)
    _core.check_targets(where, loss.kind, loss.number, numbers, y, outputs)


def largest_columns(pre: Array) -> Any:
    """Return ``pre.argmax(axis=1)`` of pre (N, O) in a fraction of its time."""
    return _core.largest_columns(pre)


class Plan(NamedTuple):
    """Which rows each epoch has, and in which batches."""

    batch_size: int
    rows_per_epoch: int
    seed: int | None
    """Of the order of the rows; with None they come as they stand."""
    replaces: bool
    """Whether each row is drawn from all of them."""

    @property
    def steps(self) -> int:
        """The number of steps of an epoch."""
        return -(-self.rows_per_epoch // self.batch_size)

    def order(self, count: int, epoch: int) -> Any:
        """Return the numbers of the rows of an epoch, out of `count`."""
        if self.seed is None:
            return np.arange(self.rows_per_epoch)
        if self.replaces:
            return _core.drawn_rows(self.rows_per_epoch, count, self.seed, epoch)
        return row_order(count, self.seed, epoch)[: self.rows_per_epoch]


def row_order(count: int, seed: int, epoch: int) -> Any:
    """Return the order of `count` rows in an epoch: a permutation that these three decide."""
    return _core.row_order(count, seed, epoch)


def _described(
    layers: Sequence[Brick], optimizer: GradientOptimizer | None = None, prefix: str = ""
) -> list[tuple[str, Mapping[str, Any], Mapping[str, Array], Mapping[str, Any]]]:
    """Return what the engine must know of the bricks: see cpp/bindings/bricks.hpp.

    With an optimizer also how each param is learnt: see `GradientOptimizer.learnt`.
    """
    bricks: list[Any] = []
    for index, layer in enumerate(layers):
        ours = cast(Layer, layer)
        name = f"{prefix}{index}."
        if ours.block:
            bricks.append(("fork", {}, {}, {}))
            bricks += _described(ours.block, optimizer, name)
            bricks.append(("add", {}, {}, {}))
            continue
        learnt = {}
        if optimizer is not None:
            learnt = {n: optimizer.learnt(name + n, param) for n, param in ours.params.items()}
        bricks.append((ours.kind, ours.numbers, {**ours.params, **ours.buffers}, learnt))
    return bricks


class _Bricks:
    """Bricks and their arrays and settings as they were once."""

    def __init__(self, layers: list[Brick]) -> None:
        self._layers = list(layers)
        ours = [cast(Layer, layer) for _, layer in walk(layers)]
        self._affines = [(a, a.w, a.b) for a in ours if isinstance(a, Affine)]
        self._others = [
            (a, {**a.params, **a.buffers})
            for a in ours
            if not (isinstance(a, Affine) or a.block) and (a.params or a.buffers)
        ]
        self._settings = [(a, a.settings) for a in ours if a.settings]

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """Leave None behind in a copy of the network, which compiles its own."""
        return type(None), ()

    def is_of(self, layers: list[Brick]) -> bool:
        """Return whether `layers` are still these bricks, with these arrays and settings."""
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


class Forward(_Bricks):
    """The forward pass of some bricks, compiled: safe to call from several threads at once."""

    def __init__(self, layers: list[Brick]) -> None:
        super().__init__(layers)
        dtype = next(array.dtype for brick in layers for array in params_of(brick).values())
        self.predict = _core.predictor(_described(layers), dtype == "float32")


class Prepared(_Bricks):
    """What the engine must know of bricks and an optimizer, for as long as they stay as they are.

    To find out anew takes longer than many an epoch.
    """

    def __init__(self, layers: list[Brick], optimizer: GradientOptimizer) -> None:
        optimizer.check()
        optimizer.check_names(
            {f"{i}.{n}": a for i, layer in enumerate(layers) for n, a in params_of(layer).items()}
        )
        super().__init__(layers)
        self.optimizer = optimizer
        ours = [layer for _, layer in walk(layers)]
        self.dropouts = [layer for layer in ours if isinstance(layer, Dropout)]
        self._kept = [(a, dict.fromkeys(cast(Layer, a).kept)) for a in ours if cast(Layer, a).kept]
        self._described = _described(layers, optimizer)
        self._at = [i for i, brick in enumerate(self._described) if brick[0] == Dropout.kind]
        self._optimizer = _settings_of(optimizer)
        self._states = [
            (state, name, array)
            for state, kept in optimizer.state.items()
            for name, array in kept.items()
        ]

    def bricks(self) -> list[Any]:
        """Return the description of the bricks, with the steps of Dropouts as they are now."""
        for i, dropout in zip(self._at, self.dropouts, strict=True):
            kind, _, arrays, learnt = self._described[i]
            self._described[i] = (kind, dropout.numbers, arrays, learnt)
        return self._described

    def forget(self) -> None:
        """Drop what the bricks had kept of their last forward and backward."""
        for layer, nothing in self._kept:
            vars(layer).update(nothing)

    def is_still(self, layers: list[Brick], optimizer: GradientOptimizer) -> bool:
        """Return whether bricks and optimizer are as they were when this was made."""
        if self.optimizer is not optimizer or not self.is_of(layers):
            return False
        state = optimizer.state
        for kind, name, array in self._states:
            if kind not in state or state[kind].get(name) is not array:
                return False
        return _settings_of(optimizer) == self._optimizer


def _settings_of(optimizer: GradientOptimizer) -> dict[str, Any]:
    """Return all that a user may have set, without what changes at every step."""
    found = dict(vars(optimizer))
    for name in ("steps", "state", "_factors"):
        del found[name]
    found["lr_scales"] = dict(optimizer.lr_scales)
    return found
