"""Many networks at once: each is trained by one thread, with the bits it would have alone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from handnn import engine
from handnn.arrays import Array, as_float, whole_number
from handnn.layers.sequence import walk
from handnn.optimizers import LBFGS, GradientOptimizer
from handnn.progress import progress_bar
from handnn.schedules import Schedule
from handnn.training.history import History
from handnn.training.trainer import Trainer

if TYPE_CHECKING:
    from queue import Queue

    News = tuple[int, BaseException | None] | None
    """A trainer is through: its place, and what its fit raised, if anything. None: a thread is."""

LOOK_SECONDS = 0.1
"""How long Ctrl-C may have to wait where a signal does not wake a waiting thread (Windows)."""


def train_many(
    trainers: Iterable[Trainer],
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    rows: Sequence[ArrayLike] | None = None,
    each: Sequence[Mapping[str, Any]] | None = None,
    threads: SupportsIndex | None = None,
    progress: bool = False,
    **arguments: Any,
) -> list[History]:
    """Call `fit` of every trainer, several at a time, and return their Histories in order.

    x, y and `arguments` (epochs, batch_size, shuffle, validation ...) are those of `Trainer.fit`,
    the same for all; of an `early_stopping` each trainer has a copy, and a `checkpoint` can only be
    of one. What differs from one trainer to the next:

    each: a dict of arguments of `fit` for every trainer, which go before the common ones.
    rows: for every trainer the numbers of the rows that it trains on, with repetitions if there are
    any, or a bool for each row; sample_weight goes with them. validation="rest" then measures the
    loss on all rows that are not among them, with their weights: the held-out fold, the rows that a
    bootstrap left out.

    threads: how many networks are trained at a time, each by one thread; None is
    `get_num_threads()`. The costliest begin. Compiled trainings run side by side; those in Python
    (a brick of your own, engine="bricks", LBFGS) one after another beside them; callbacks take
    turns. progress: show a bar.

    Each network gets the bits that ``trainer.fit(...)`` would give it, whatever the threads do. So
    trainers may not share what a training changes: networks, layers, losses, optimizers, Generators
    (two Trainers built with rng=rng have one), a ReduceOnPlateau, or memory of their arrays.
    Callbacks are called on the thread of their trainer, so one that several trainers have may run
    several times at once.

    All arguments are checked before any training begins: a TypeError or ValueError names the place
    of the trainer. When a training raises (a callback, say), the others end after the step that
    runs, and the error is raised with a note of the place; so they do on Ctrl-C. The networks are
    then as an interrupted `fit` leaves them, and so is every `trainer.history`.
    """
    trainers = _as_trainers(trainers)
    _check_apart(trainers)
    data = _Data(trainers, {"x": x, "y": y, **arguments}, rows, each)
    most = engine.get_num_threads() if threads is None else whole_number(threads, _named("threads"))
    costs = [_check(trainer, data.of(place), place) for place, trainer in enumerate(trainers)]
    count = min(most, len(trainers))
    # The arrays of neighbours, made one after another, share cache lines, for which two threads
    # that write there wait in turns: of the equally long, those that are far apart go together.
    apart = -(-len(trainers) // count) if trainers else 1
    order = sorted(range(len(trainers)), key=lambda place: (-costs[place], place % apart))
    _train(trainers, data, order, count, progress)
    return [trainer.history for trainer in trainers]


def _train(
    trainers: Sequence[Trainer], data: _Data, order: list[int], threads: int, progress: bool
) -> None:
    """Fit the trainers, in this order, on so many threads."""
    from collections import deque
    from queue import Queue
    from threading import Thread

    stop = engine.Stop()
    # Two threads that run Python hand the GIL to each other, and Ctrl-C would wait for it.
    left, in_python = deque[int](), deque[int]()
    for place in order:
        (left if trainers[place].is_compiled else in_python).append(place)
    news: Queue[News] = Queue()

    def work(mine: deque[int]) -> None:
        with engine.one_of_many(stop), suppress(engine.Stopped):
            while mine or left:
                try:
                    place = (mine or left).popleft()
                except IndexError:  # another thread was quicker
                    break
                engine.check_stop()
                try:
                    trainers[place].fit(**data.of(place))
                except engine.Stopped:
                    raise
                except BaseException as error:
                    news.put((place, error))
                    return
                if progress:  # without, the caller sleeps on, and takes the GIL from nobody
                    news.put((place, None))
            news.put(None)

    workers = [
        Thread(target=work, args=[deque() if number else in_python], name=f"train_many-{number}")
        for number in range(threads)
    ]
    with progress_bar(shows=progress, total=len(order), unit="network") as bar:
        try:
            for worker in workers:
                worker.start()
            at_work = threads
            while at_work:
                one = _next(news)
                if one is None:
                    at_work -= 1
                    continue
                place, error = one
                if error is not None:
                    raise _noted(error, f"train_many: this was in the fit of trainers[{place}]")
                if bar is not None:
                    bar.update()
        finally:
            stop.set()
            for worker in workers:
                if worker.ident is not None:
                    worker.join()


def _next(news: Queue[News]) -> News:
    from queue import Empty

    # A SimpleQueue may wait for ever: if a signal comes, and its time is over when the handler
    # returns, CPython takes what is left, less than nothing, for no limit.
    while True:
        engine.check_stop()  # in a callback of another train_many
        with suppress(Empty):
            return news.get(timeout=LOOK_SECONDS)


def _noted(error: BaseException, note: str) -> BaseException:
    if hasattr(error, "add_note"):  # from Python 3.11 on
        error.add_note(note)
    return error


class _Data:
    """What each trainer's fit is called with."""

    def __init__(
        self,
        trainers: Sequence[Trainer],
        common: dict[str, Any],
        rows: Sequence[ArrayLike] | None,
        each: Sequence[Mapping[str, Any]] | None,
    ) -> None:
        for name, given in (("rows", rows), ("each", each)):
            if given is None:
                continue
            if not isinstance(given, Sequence | np.ndarray):
                raise TypeError(f"train_many: {name} must be a list, but is {given!r:.50}")
            if len(given) != len(trainers):
                raise ValueError(
                    f"train_many: {name} has {len(given)} entries for {len(trainers)} trainers"
                )
        for place, own in enumerate(() if each is None else each):
            if not isinstance(own, Mapping):
                raise TypeError(
                    f"train_many: each[{place}] must be a dict of arguments, but is {own!r:.50}"
                )
        self._dtypes = [trainer.network.dtype for trainer in trainers]
        self._rows = rows
        self._each = each
        if isinstance(common.get("metrics"), Iterator):  # to be read by every fit
            common = {**common, "metrics": tuple(common["metrics"])}
        self._common: dict[DTypeLike, dict[str, Any]] = {}
        for dtype in self._dtypes:  # cast once, not by every fit
            if dtype not in self._common:
                self._common[dtype] = {
                    name: as_float(value, dtype, _named(name))
                    if name in ("x", "y", "sample_weight") and value is not None
                    else value
                    for name, value in common.items()
                }
        self._check_apart(trainers, common.get("checkpoint"))

    def _check_apart(self, trainers: Sequence[Trainer], checkpoint: object) -> None:
        """Raise ValueError when two trainings would write one file or change an EarlyStopping."""
        owners: dict[object, int] = {}
        for place, trainer in enumerate(trainers):
            own = {} if self._each is None else self._each[place]
            path = own.get("checkpoint", checkpoint)
            if path is None:
                path = None if trainer._resumed is None else trainer._resumed[0].path
            if isinstance(path, str | os.PathLike):
                owner = owners.setdefault(os.path.realpath(path), place)
                if owner != place:
                    raise ValueError(
                        f"train_many: checkpoint must be another file for each trainer: each=; "
                        f"trainers[{owner}] and trainers[{place}] would both write {path}"
                    )
            stopping = own.get("early_stopping")
            if stopping is not None and owners.setdefault(id(stopping), place) != place:
                raise ValueError(
                    f"train_many: each[{owners[id(stopping)]}] and each[{place}] share an "
                    "early_stopping; each needs its own, or give it once for all"
                )

    def of(self, place: int) -> dict[str, Any]:
        """Return the arguments for the trainer at `place`; what `rows` asks for is copied."""
        found = dict(self._common[self._dtypes[place]])
        if found.get("early_stopping") is not None:
            found["early_stopping"] = deepcopy(found["early_stopping"])
        if self._each is not None:
            found.update(self._each[place])
        for name in ("x", "y"):
            if found[name] is None:
                raise TypeError(f"train_many: trainers[{place}] has no {name}")
        if self._rows is not None:
            self._choose(found, place, self._rows[place])
        elif isinstance(found.get("validation"), str):
            raise ValueError(
                f"train_many: validation is {found['validation']!r}, for which there must be rows"
            )
        return found

    def _choose(self, found: dict[str, Any], place: int, rows: ArrayLike) -> None:
        """Take the trainer's rows, and if asked for the rest to validate with."""
        names = [n for n in ("x", "y", "sample_weight") if found.get(n) is not None]
        arrays: dict[str, Array] = {
            name: as_float(found[name], self._dtypes[place], _named(name)) for name in names
        }
        counts = {name: len(a) if a.ndim else 0 for name, a in arrays.items()}
        for name, count in counts.items():
            if count != counts["x"]:
                raise ValueError(
                    f"train_many: x has {counts['x']} rows but {name} has {count} (for "
                    f"trainers[{place}])"
                )
        chosen = _row_numbers(rows, counts["x"], f"train_many: rows[{place}]")
        found.update({name: array[chosen] for name, array in arrays.items()})
        validation = found.get("validation")
        if not isinstance(validation, str):
            return
        if validation != "rest":
            raise ValueError(
                f"train_many: validation must be a pair (x, y), a fraction of the rows or 'rest', "
                f"but is {validation!r}"
            )
        rest = np.delete(np.arange(counts["x"]), chosen)
        if len(rest) == 0:
            raise ValueError(f"train_many: rows[{place}] leaves no row to validate with")
        found["validation"] = tuple(array[rest] for array in arrays.values())


def _row_numbers(given: ArrayLike, count: int, name: str) -> NDArray[np.integer]:
    """Return the numbers of some of `count` rows, given as such or as a bool for each row."""
    rows: NDArray[Any] = np.asarray(given)
    if rows.dtype == bool and rows.shape == (count,):
        return np.flatnonzero(rows)
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise TypeError(
            f"{name} must be numbers of rows, or a bool for each of the {count} rows, but is "
            f"{rows.dtype} {rows.shape}"
        )
    if rows.size and not (rows.min() >= 0 and rows.max() < count):
        raise ValueError(
            f"{name} must be from 0 to {count - 1}, but goes to {rows.min()} and {rows.max()}"
        )
    return rows


def _check(trainer: Trainer, arguments: dict[str, Any], place: int) -> float:
    """Raise what fit would raise about its arguments; return what the training costs, roughly."""
    stop = engine.Stop()
    stop.set()  # fit then ends where it would begin to train
    state = trainer.rng.bit_generator.state
    optimizer = trainer.optimizer
    try:
        if isinstance(optimizer, GradientOptimizer | LBFGS):
            optimizer.check()
        if isinstance(optimizer, GradientOptimizer):
            optimizer.check_names(trainer.network.params)
        with suppress(engine.Stopped), engine.one_of_many(stop):
            trainer.fit(**arguments)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"train_many: trainers[{place}]: {error}") from error
    finally:
        trainer.rng.bit_generator.state = state
    rows = len(arguments["x"])
    if arguments.get("steps_per_epoch") is not None:
        rows = int(arguments["steps_per_epoch"]) * int(arguments.get("batch_size") or 1)
    weights = sum(array.size for array in trainer.network.params.values())
    return float(arguments.get("epochs") or 1) * rows * (1.0 + weights)


def _as_trainers(trainers: Iterable[Trainer]) -> tuple[Trainer, ...]:
    if not hasattr(trainers, "__iter__"):
        raise TypeError(f"train_many: trainers must be a list of Trainers, but is {trainers!r}")
    trainers = tuple(trainers)
    for place, trainer in enumerate(trainers):
        if not isinstance(trainer, Trainer):
            raise TypeError(
                f"train_many: trainers[{place}] must be a Trainer, but is a "
                f"{type(trainer).__name__}"
            )
    return trainers


def _check_apart(trainers: Sequence[Trainer]) -> None:
    """Raise ValueError when two trainers share something that training changes."""
    owners: dict[int, int] = {}
    for place, trainer in enumerate(trainers):
        for what, part in _parts(trainer):
            owner = owners.setdefault(id(part), place)
            if owner != place:
                raise ValueError(
                    f"train_many: trainers[{owner}] and trainers[{place}] share {what}; each needs "
                    "its own, or its bits would depend on the other"
                )
    spans = sorted(
        (*_span(array), place, name)
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


def _parts(trainer: Trainer) -> Iterator[tuple[str, object]]:
    """Everything that a training changes, with a word for it."""
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
    """The schedule and those within it that change with the losses."""
    if isinstance(schedule, Schedule) and schedule.is_watching:
        yield schedule
        for part in vars(schedule).values():
            yield from _watching(part)


def _arrays(trainer: Trainer) -> Iterator[tuple[str, Array]]:
    yield from {**trainer.network.params, **trainer.network.buffers}.items()
    if isinstance(trainer.optimizer, GradientOptimizer):
        for state, arrays in trainer.optimizer.state.items():
            yield from ((f"{state} of {name}", array) for name, array in arrays.items())


def _span(array: Array) -> tuple[int, int]:
    """The addresses between which the entries of an array lie."""
    start = array.__array_interface__["data"][0]
    if array.flags.c_contiguous:
        return start, start + array.nbytes
    steps = [(n - 1) * stride for n, stride in zip(array.shape, array.strides, strict=True)]
    return (
        start + sum(step for step in steps if step < 0),
        start + sum(step for step in steps if step > 0) + array.itemsize,
    )


def _named(argument: str) -> str:
    return f"train_many: {argument}"
