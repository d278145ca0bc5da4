"""Prepare a fit: check and cast its arguments, hold rows out, and change nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, SupportsIndex

from numpy.typing import ArrayLike

from handnn import engine
from handnn.arrays import whole_number
from handnn.layers.sequence import walk
from handnn.network import Network
from handnn.optimizers import LBFGS
from handnn.training.early_stopping import EarlyStopping
from handnn.training.measures import Measure, Measuring, measures
from handnn.training.parts import Parts
from handnn.training.rows import Indices, Selection, hold_out, named, select_rows
from handnn.training.run import Run
from handnn.training.state import FitSettings, FitState, Shuffle

if TYPE_CHECKING:
    from handnn.training.checkpoints import Checkpoint, Resumed

MAX_ROWS = sys.maxsize // 8
"""The largest number of rows in an epoch, whose order is an array of 64-bit integers."""


@dataclass(kw_only=True)
class FitArguments:
    """The arguments of `Trainer.fit`, as given. `chosen` and `left_out` are set by `train_many`."""

    x: ArrayLike
    y: ArrayLike
    epochs: SupportsIndex | None = None
    batch_size: SupportsIndex | None = None
    shuffle: object = True
    validation: object = None
    sample_weight: ArrayLike | None = None
    steps_per_epoch: SupportsIndex | None = None
    metrics: object = ()
    early_stopping: EarlyStopping | None = None
    checkpoint: str | os.PathLike[str] | None = None
    checkpoint_every: SupportsIndex | None = None
    chosen: Indices | None = None
    """The rows of x, y and sample_weight to train on; None for all."""
    left_out: Indices | None = None
    """The rows of the same arrays to validate on, in place of `validation`."""

    def completed(self, resumed: Resumed) -> FitArguments:
        """Complete the arguments with those of a checkpoint."""
        checkpoint, settings = resumed.checkpoint, resumed.checkpoint.settings
        missing: dict[str, object] = {
            "epochs": resumed.state.epochs,
            "batch_size": settings.batch_size,
            "validation": settings.fraction,
            "steps_per_epoch": settings.steps_per_epoch,
            "checkpoint": checkpoint.path,
            "checkpoint_every": checkpoint.every,
        }
        missing = {name: value for name, value in missing.items() if getattr(self, name) is None}
        if self.shuffle is True:
            missing["shuffle"] = settings.shuffle
        if self.metrics == ():
            missing["metrics"] = dict(settings.metrics)
        complete: Callable[..., FitArguments] = replace
        return complete(self, **missing)


def prepare(
    parts: Parts,
    given: FitArguments,
    callbacks: Sequence[Callable[[], object]],
    resumed: Resumed | None = None,
) -> Run:
    """Return a fit that is ready to begin; raise the errors of `Trainer.fit` for bad arguments.

    Nothing is changed. The generator `parts.rng` advances when the Run begins.
    """
    if resumed is not None:
        resumed.checkpoint.check_parts(parts)
        given = given.completed(resumed)
    epochs = _count("epochs", given.epochs)
    batch_size = _count("batch_size", given.batch_size)
    _checkpoint_every(given)
    stopping = given.early_stopping
    if not (stopping is None or isinstance(stopping, EarlyStopping)):
        raise TypeError(f"Trainer.fit: early_stopping must be EarlyStopping(...), not {stopping!r}")
    watched = measures(given.metrics, parts.loss)
    given_rows = _select(parts, "Trainer.fit", given.x, given.y, given.sample_weight, given.chosen)
    with _drawing(parts, resumed) as rng_before:
        rows, held_out = _hold_out(parts, given, given_rows)
        if watched and held_out is None:
            rows.check_weighted("Trainer.fit: metrics")
        if isinstance(parts.optimizer, LBFGS) and batch_size < rows.n_rows:
            raise ValueError(
                f"Trainer.fit: LBFGS needs all {rows.n_rows} rows at once, but batch_size is "
                f"{batch_size}; write batch_size=len(x)"
            )
        sampler = _sampler(parts, rows.n_rows, batch_size, given)
        rng_state = parts.rng.bit_generator.state
    _check_batches(parts.network, sampler)
    parts.sharding.check(parts.network.layers)
    run = Run(
        parts=parts,
        rows=rows,
        held_out=held_out,
        sampler=sampler,
        state=FitState(epochs, early_stopping=stopping),
        measuring=Measuring(parts.network, parts.loss, watched, held_out is not None),
        callbacks=callbacks,
        rng_state=rng_state if resumed is None else parts.rng.bit_generator.state,
    )
    if parts.engine == "compiled":
        parts.compiles()  # raises ValueError if that is not possible
    if stopping is not None:
        stopping.check(held_out is not None, run.measuring.directions)
    if given.checkpoint is not None:
        settings = _settings(given, batch_size, watched)._replace(shards=parts.sharding.shards)
        run.checkpoint = _checkpoint(parts, given, rng_before, settings, given_rows, held_out)
        run.checkpoint.check(stopping)
        run.interrupts.writes = True
    if resumed is not None:
        run.resume_from(resumed)
    return run


@contextmanager
def _drawing(parts: Parts, resumed: Resumed | None) -> Iterator[Mapping[str, object]]:
    """Draw with the generator of `parts`, and restore its state afterwards; yield the state before.

    A resumed fit starts from the state before the interrupted fit, so it draws the same numbers.
    """
    bit_generator = parts.rng.bit_generator
    now = bit_generator.state
    try:
        if resumed is not None:
            bit_generator.state = resumed.checkpoint.rng_before
        yield now if resumed is None else resumed.checkpoint.rng_before
    finally:
        bit_generator.state = now


def _checkpoint_every(given: FitArguments) -> int:
    every = 1 if given.checkpoint_every is None else given.checkpoint_every
    return _count("checkpoint_every", every)


def _count(name: str, value: SupportsIndex | None) -> int:
    if value is None:
        raise TypeError(f"Trainer.fit: {name} must be an int, but is None; write {name}=...")
    return whole_number(value, f"Trainer.fit: {name}")


def _select(
    parts: Parts,
    where: str,
    x: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    chosen: Indices | None = None,
) -> Selection:
    return select_rows(where, parts.network, parts.loss, named(x, y, sample_weight), chosen)


def _hold_out(
    parts: Parts, given: FitArguments, rows: Selection
) -> tuple[Selection, Selection | None]:
    """Return the rows to train on and those to validate on."""
    validation = given.validation
    if given.left_out is not None:
        if rows.chosen is not None:  # the arrays have been checked as a whole
            validation = Selection(rows.arrays, given.left_out)
        else:
            where = "Trainer.fit: validation"
            validation = _select(
                parts, where, given.x, given.y, given.sample_weight, given.left_out
            )
    return hold_out(rows, validation, parts.rng, partial(_select, parts))


def _sampler(parts: Parts, count: int, batch_size: int, given: FitArguments) -> engine.BatchSampler:
    """Return the order and the batches of `count` rows in each epoch."""
    replaces = _checked_shuffle(given.shuffle) == "replacement"
    if not replaces:
        batch_size = min(batch_size, count)
    rows_per_epoch = count
    if given.steps_per_epoch is not None:
        steps = _count("steps_per_epoch", given.steps_per_epoch)
        rows_per_epoch = steps * batch_size if replaces else min(steps * batch_size, count)
        if rows_per_epoch > MAX_ROWS:
            raise ValueError(
                f"Trainer.fit: steps_per_epoch {steps} times batch_size {batch_size} must be at "
                f"most {MAX_ROWS:,} rows"
            )
    seed = int(parts.rng.integers(2**63)) if given.shuffle else None
    return engine.BatchSampler(min(batch_size, rows_per_epoch), rows_per_epoch, seed, replaces)


def _checked_shuffle(shuffle: object) -> Shuffle:
    if shuffle == "replacement" and isinstance(shuffle, str):
        return "replacement"
    if isinstance(shuffle, str):
        raise ValueError(
            f"Trainer.fit: shuffle must be a bool or 'replacement', but is {shuffle!r}"
        )
    return bool(shuffle)


def _check_batches(network: Network, sampler: engine.BatchSampler) -> None:
    """Raise ValueError if the shortest batch has fewer rows than a brick needs."""
    last = sampler.rows_per_epoch % sampler.batch_size or sampler.batch_size
    for place, layer in walk(network.layers):
        min_rows = getattr(layer, "min_rows", 1)
        if last < min_rows:
            raise ValueError(
                f"Trainer.fit: layer {place} ({type(layer).__name__}) needs at least {min_rows} "
                f"rows to train on, but with batch_size {sampler.batch_size} the last batch of "
                f"the {sampler.rows_per_epoch} rows has {last}; choose another batch_size"
            )


def _settings(given: FitArguments, batch_size: int, watched: Sequence[Measure]) -> FitSettings:
    steps, validation = given.steps_per_epoch, given.validation
    return FitSettings(
        batch_size,
        _checked_shuffle(given.shuffle),
        None if steps is None else _count("steps_per_epoch", steps),
        float(validation) if isinstance(validation, Real) else None,
        tuple((measure.name, measure.known) for measure in watched),
    )


def _checkpoint(
    parts: Parts,
    given: FitArguments,
    rng_before: Mapping[str, object],
    settings: FitSettings,
    rows: Selection,
    held_out: Selection | None,
) -> Checkpoint:
    """Return the common contents of all checkpoints of a fit, with the hashes of its data."""
    from handnn.storage import as_path
    from handnn.training.checkpoints import Checkpoint, hashes

    names = ("x", "y", "sample_weight")
    data = dict(zip(names, rows.gather(), strict=False))
    if held_out is not None and settings.fraction is None:
        own = zip(names, held_out.gather(), strict=False)
        data.update((f"validation {name}", array) for name, array in own)
    return Checkpoint(
        path=as_path(given.checkpoint, "Trainer.fit: checkpoint"),
        every=_checkpoint_every(given),
        parts=parts,
        rng_before=rng_before,
        settings=settings,
        data=hashes(data),
    )
