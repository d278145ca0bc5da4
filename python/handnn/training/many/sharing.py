"""Check that trainers share nothing that training changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from handnn.arrays import Array
from handnn.layers.sequence import walk
from handnn.optimizers import GradientOptimizer
from handnn.schedules import Schedule
from handnn.training.trainer import Trainer


def check_independent(trainers: Sequence[Trainer]) -> None:
    """Raise ValueError if two trainers share an object or memory that training changes."""
    owners: dict[int, int] = {}
    for place, trainer in enumerate(trainers):
        for what, part in _mutable_parts(trainer):
            owner = owners.setdefault(id(part), place)
            if owner != place:
                raise ValueError(
                    f"train_many: trainers[{owner}] and trainers[{place}] share {what}; "
                    "each needs its own, or the result of one would depend on the other"
                )
    spans = sorted(
        (*_addresses(array), place, name)
        for place, trainer in enumerate(trainers)
        for name, array in _arrays(trainer)
        if array.size
    )
    last = (0, 0, 0, "")
    for span in spans:
        if span[0] < last[1] and span[2] != last[2]:
            raise ValueError(
                f"train_many: {last[3]} of trainers[{last[2]}] and {span[3]} of trainers[{span[2]}]"
                " overlap in memory; each needs its own"
            )
        last = max(last, span, key=lambda one: one[1])


def _mutable_parts(trainer: Trainer) -> Iterator[tuple[str, object]]:
    """Yield the objects that training changes, each with its description."""
    yield "a network", trainer.network
    for place, layer in walk(trainer.network.layers):
        yield f"layer {place} of their networks", layer
    yield f"a loss, {type(trainer.loss).__name__}", trainer.loss
    yield f"an optimizer, {type(trainer.optimizer).__name__}", trainer.optimizer
    yield "a Generator, as rng", trainer.rng.bit_generator
    if isinstance(trainer.optimizer, GradientOptimizer):
        yield "the state of an optimizer", trainer.optimizer.state
        for schedule in _watching(trainer.optimizer.schedule):
            yield f"a schedule that watches the loss, {type(schedule).__name__}", schedule


def _watching(schedule: object) -> Iterator[Schedule]:
    """Yield the schedule and those within it that change with the losses."""
    if isinstance(schedule, Schedule) and schedule.is_watching:
        yield schedule
        for part in vars(schedule).values():
            yield from _watching(part)


def _arrays(trainer: Trainer) -> Iterator[tuple[str, Array]]:
    """Yield the arrays that training changes in place, each with its description."""
    yield from {**trainer.network.params, **trainer.network.buffers}.items()
    if isinstance(trainer.optimizer, GradientOptimizer):
        for state, arrays in trainer.optimizer.state.items():
            yield from ((f"{state} of {name}", array) for name, array in arrays.items())


def _addresses(array: Array) -> tuple[int, int]:
    """Return the addresses of an array's first byte and of the byte after its last."""
    start = array.__array_interface__["data"][0]
    if array.flags.c_contiguous:
        return start, start + array.nbytes
    steps = [(n - 1) * stride for n, stride in zip(array.shape, array.strides, strict=True)]
    return (
        start + sum(step for step in steps if step < 0),
        start + sum(step for step in steps if step > 0) + array.itemsize,
    )
