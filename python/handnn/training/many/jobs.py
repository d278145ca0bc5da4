"""Jobs: one training in another process, and how its results come back."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Any

import numpy as np

from handnn import engine
from handnn.arrays import Array
from handnn.layers import Brick, Layer
from handnn.layers.layer import buffers_of, params_of
from handnn.layers.sequence import walk
from handnn.losses import KernelLoss
from handnn.optimizers import GradientOptimizer
from handnn.training.early_stopping import EarlyStopping
from handnn.training.many.shared_rows import OpenedRows, SharedRows
from handnn.training.prepare import FitArguments
from handnn.training.trainer import Trainer

POLL_SECONDS = 0.1
"""The interval at which a worker checks whether it should stop."""


@dataclass
class Job:
    """The training of one network; its arguments have References in place of arrays."""

    place: int
    trainer: Trainer
    given: FitArguments
    folder: str
    arrays: list[Array] | None = None
    """The arrays themselves, for a worker that cannot open the folder."""


@dataclass
class Outcome:
    """The trainer after a job, and the error that its fit raised, `Stopped` if it was stopped."""

    trainer: Trainer | None
    early_stopping: EarlyStopping | None = None
    error: BaseException | None = None
    needs_arrays: bool = False


def with_references(given: FitArguments, rows: SharedRows) -> FitArguments:
    """Return the arguments of a fit with references in place of its arrays."""

    def put(value: object) -> object:
        return rows.put(value) if isinstance(value, np.ndarray) else value

    return _with_rows(given, put)


def run(job: Job) -> Outcome:
    """Train in a worker, on one thread, and return the trainer."""
    rows = OpenedRows(job.folder, job.arrays)
    if rows.is_missing:
        return Outcome(None, needs_arrays=True)
    rows.begin(job.place)
    given = _with_rows(job.given, rows.get)
    error: BaseException | None = None
    with _stopping(rows) as stop, engine.one_of_many(stop):
        try:
            job.trainer._run(job.trainer._prepare(given))
        except BaseException as raised:
            error = raised
            if not isinstance(raised, engine.Stopped):
                error.add_note("".join(traceback.format_tb(raised.__traceback__)))
    _forget(job.trainer)
    return Outcome(job.trainer, given.early_stopping, error)


def _with_rows(given: FitArguments, convert: Callable[[object], Any]) -> FitArguments:
    """Return the arguments with each array, or its reference, converted."""
    validation = given.validation
    if isinstance(validation, list | tuple):
        validation = tuple(map(convert, validation))
    return replace(
        given,
        x=convert(given.x),
        y=convert(given.y),
        sample_weight=convert(given.sample_weight),
        validation=validation,
    )


@contextmanager
def _stopping(rows: OpenedRows) -> Iterator[engine.Stop]:
    """Yield a Stop that the parent can set; ignore Ctrl-C, which the parent handles."""
    stop, is_over, parent = engine.Stop(), threading.Event(), os.getppid()

    def watch() -> None:
        while not is_over.wait(POLL_SECONDS):
            if rows.is_to_stop or os.getppid() != parent:  # the parent may have been killed
                stop.set()
                return

    is_main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN) if is_main else None
    watcher = threading.Thread(target=watch, name="train_many-stop", daemon=True)
    watcher.start()
    try:
        yield stop
    finally:
        is_over.set()
        watcher.join()
        if is_main:
            signal.signal(signal.SIGINT, handler)


def _forget(trainer: Trainer) -> None:
    """Discard what layers and loss keep for backward, as a compiled fit does."""
    for _, layer in walk(trainer.network.layers):
        if isinstance(layer, Layer):
            vars(layer).update(dict.fromkeys(layer.kept))
    if isinstance(trainer.loss, KernelLoss):
        vars(trainer.loss).update(dict.fromkeys(("pre", "y_true", "sample_weight", "loss")))


def take_over(ours: Trainer, theirs: Trainer) -> None:
    """Give a trainer the state of its copy that was trained elsewhere; arrays are kept."""
    if ours is theirs:  # the executor runs threads
        return
    if _shapes(ours) == _shapes(theirs):
        bricks = zip(walk(ours.network.layers), walk(theirs.network.layers), strict=True)
        for (_, layer), (_, trained) in bricks:
            _take_over_brick(layer, trained)
    else:  # a callback has changed the layers
        ours.network.layers = theirs.network.layers
    _take_over_attributes(ours.loss, theirs.loss)
    optimizer, trained_optimizer = ours.optimizer, theirs.optimizer
    schedule = getattr(optimizer, "schedule", None)
    _take_over_attributes(optimizer, trained_optimizer)
    if isinstance(optimizer, GradientOptimizer) and schedule is not None:
        _take_over_attributes(schedule, optimizer.schedule)
        optimizer.schedule = schedule
    for callback, called in zip(ours.callbacks, theirs.callbacks, strict=True):
        _take_over_attributes(
            getattr(callback, "__self__", callback), getattr(called, "__self__", called)
        )
    ours.rng.bit_generator.state = theirs.rng.bit_generator.state
    ours.history = theirs.history
    ours._resumed = theirs._resumed


def _shapes(trainer: Trainer) -> list[object]:
    """Return the places and types of all layers, and the names and shapes of all arrays."""
    network = trainer.network
    bricks: list[object] = [(place, type(layer)) for place, layer in walk(network.layers)]
    arrays = {**network.params, **network.buffers}
    return bricks + [(name, array.shape, array.dtype) for name, array in arrays.items()]


def take_over_stopping(ours: EarlyStopping | None, theirs: EarlyStopping | None) -> None:
    """Give an EarlyStopping the state of its copy."""
    if ours is not None and theirs is not None and ours is not theirs:
        vars(ours).update(vars(theirs))


def _take_over_brick(ours: Brick, theirs: Brick) -> None:
    """Copy params and buffers in place, and take over the other attributes."""
    own = {**params_of(ours), **buffers_of(ours)}
    for name, array in {**params_of(theirs), **buffers_of(theirs)}.items():
        own[name][...] = array
    kept = {id(array) for array in own.values()}
    before = {name: value for name, value in vars(ours).items() if _holds(value, kept)}
    _take_over_attributes(ours, theirs)
    vars(ours).update(before)


def _holds(value: object, ids: set[int]) -> bool:
    """Return whether an attribute is one of these objects, or a collection of some of them."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return any(id(one) in ids or _is_brick(one) for one in value)
    return id(value) in ids or _is_brick(value)


def _is_brick(value: object) -> bool:
    return hasattr(value, "forward") and hasattr(value, "backward")


def _take_over_attributes(ours: object, theirs: object) -> None:
    """Take over the attributes of a copy, if the object has any that can be set."""
    is_plain = isinstance(getattr(ours, "__dict__", None), dict) and not isinstance(ours, type)
    if is_plain and type(ours) is type(theirs) and not isinstance(ours, FunctionType):
        vars(ours).update(vars(theirs))
