"""train_many: concurrent trainings, each with the bits of a separate `fit`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from time import perf_counter, sleep
from typing import TYPE_CHECKING, SupportsIndex, TypeAlias

from numpy.typing import ArrayLike

from handnn import engine
from handnn.arrays import elements, whole_number
from handnn.optimizers import LBFGS, GradientOptimizer
from handnn.progress import progress_bar
from handnn.training.history import History
from handnn.training.many.arguments import ArgumentsOfEach
from handnn.training.many.dispatch import train_on
from handnn.training.many.sharing import check_independent
from handnn.training.run import Run
from handnn.training.trainer import Trainer

if TYPE_CHECKING:
    from collections import deque
    from concurrent.futures import Executor
    from queue import Queue
    from threading import Thread

    News: TypeAlias = tuple[int, BaseException | None] | None
    """The index of a finished trainer, with its error if it failed; None if a thread has ended."""

    Jobs: TypeAlias = deque[tuple[int, Run]]

POLL_SECONDS = 0.1
"""The longest delay of Ctrl-C where a signal does not wake a waiting thread (Windows)."""

MAX_START_SECONDS = 1.0
"""The time that a thread may take to begin after an interrupted start, on a busy machine."""


def train_many(
    trainers: Iterable[Trainer],
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    rows: Sequence[ArrayLike] | None = None,
    each: Sequence[Mapping[str, object]] | None = None,
    threads: SupportsIndex | None = None,
    executor: Executor | None = None,
    progress: bool = False,
    **arguments: object,
) -> list[History]:
    """Fit several trainers concurrently, and return their Histories in order.

    Each network gets the bits that ``trainer.fit(...)`` would give it, with any number of threads.

    x, y and `arguments` (epochs, batch_size, validation, ...) are the arguments of `Trainer.fit`
    that all trainers have in common. A common `early_stopping` is copied for each of them; a
    `checkpoint` cannot be common.
    each: a dict of `fit` arguments for each trainer, which replace the common ones.
    rows: for each trainer, the indices of the rows to train on, which may repeat, or a bool for
    each row. With ``validation="rest"``, the other rows are its validation rows: the held-out fold
    of a cross-validation, or the rows outside a bootstrap sample. sample_weight is selected in the
    same way. Trainers with a `comm` of several ranks train one after another, each on all ranks.
    threads: how many networks train at a time, each on one thread; None for `get_num_threads()`.
    The most expensive trainings begin first. Compiled trainings run in parallel. Those in Python
    (your own bricks, ``engine="bricks"``, LBFGS) run one after another at the same time.
    executor: a `concurrent.futures.Executor` (processes, mpi4py.futures, Dask, Ray) whose workers
    train instead of threads, with the same bits. Each worker gets the arrays once; a trainer, with
    its callbacks and functions, must pickle, and afterwards has the state of its trained copy. If a
    process of a ProcessPoolExecutor dies, its training runs again, up to three times in total.
    progress: whether to show a progress bar on stderr.

    Trainers may not share anything that training changes: networks, layers, losses, optimizers,
    Generators (two Trainers built with ``rng=rng`` share one), a ReduceOnPlateau, or memory of
    arrays. Callbacks run on the thread of their trainer, so one that belongs to several trainers
    may be called concurrently.

    If one training fails, the others stop after their current step, and the error is raised with a
    note that names its trainer. Ctrl-C stops all of them in the same way. Each network and its
    `trainer.history` are then as an interrupted `fit` leaves them; trainers that have not begun are
    unchanged.

    Raises:
        TypeError: If an argument has a wrong type. All arguments are checked before any training
            begins, and errors name the trainer.
        ValueError: If an argument does not fit, or two trainers share something.
        WorkerDiedError: If the worker of a training died three times; a RuntimeError.

    Examples:
        >>> x = np.linspace(-1, 1, 40)[:, None]
        >>> trainers = [
        ...     handnn.Trainer(
        ...         handnn.mlp([1, 8, 1], rng=seed), handnn.MSELoss(), handnn.SGD(0.1), rng=seed
        ...     )
        ...     for seed in range(4)
        ... ]
        >>> folds = np.array_split(np.arange(40), 4)
        >>> inside = [np.setdiff1d(np.arange(40), fold) for fold in folds]
        >>> histories = handnn.train_many(
        ...     trainers, x, x**2, rows=inside, validation="rest", epochs=5, batch_size=10
        ... )
        >>> [len(history.validation_loss) for history in histories]
        [5, 5, 5, 5]
    """
    trainers = _as_trainers(trainers)
    _check_executor(executor, threads)
    check_independent(trainers)
    found = ArgumentsOfEach(trainers, {"x": x, "y": y, **arguments}, rows, each)
    if threads is None:
        n_threads = engine.get_num_threads()
    else:
        n_threads = whole_number(threads, "train_many: threads")
    n_threads = min(n_threads, len(trainers))
    if any(trainer._parts.sharding.n_ranks > 1 for trainer in trainers):
        _train_in_turn(trainers, found, progress)
        return [trainer.history for trainer in trainers]
    if executor is not None:
        _train_elsewhere(executor, trainers, found, progress)
        return [trainer.history for trainer in trainers]
    jobs = _in_order([_prepared(*job, found) for job in enumerate(trainers)], n_threads)
    del found  # frees each cast array with the last run that needs it
    _train(trainers, jobs, n_threads, progress)
    return [trainer.history for trainer in trainers]


def _check_executor(executor: object, threads: object) -> None:
    """Raise TypeError unless `executor` is None or has workers, ValueError if threads are given."""
    if executor is None:
        return
    if isinstance(executor, type) or not callable(getattr(executor, "submit", None)):
        raise TypeError(
            f"train_many: executor must be a concurrent.futures.Executor, but is {executor!r:.50}"
        )
    if threads is not None:
        raise ValueError("train_many: threads and executor exclude each other; leave one out")


def _train_elsewhere(
    executor: Executor, trainers: Sequence[Trainer], found: ArgumentsOfEach, progress: bool
) -> None:
    """Check all arguments, and fit the trainers in the workers of an executor."""
    costs = {place: _prepared(place, trainer, found).cost for place, trainer in enumerate(trainers)}
    places = sorted(costs, key=lambda place: -costs[place])
    train_on(executor, trainers, {place: found.of(place) for place in places}, progress)


def _train_in_turn(trainers: Sequence[Trainer], found: ArgumentsOfEach, progress: bool) -> None:
    """Fit the trainers one after another, each on all ranks of its communicator."""
    is_first = all(trainer._parts.sharding.rank == 0 for trainer in trainers)
    shown = progress_bar(shows=progress and is_first, total=len(trainers), unit="network")
    with shown as bar:
        for place, trainer in enumerate(trainers):
            try:
                trainer._fit(found.of(place))
            except BaseException as error:
                error.add_note(f"train_many: this was in the fit of trainers[{place}]")
                raise
            if bar is not None:
                bar.update()


def _prepared(place: int, trainer: Trainer, arguments: ArgumentsOfEach) -> Run:
    """Return the fit of one trainer; errors name its index."""
    given = arguments.of(place)
    optimizer = trainer.optimizer
    try:
        if isinstance(optimizer, GradientOptimizer | LBFGS):
            optimizer.check()
        if isinstance(optimizer, GradientOptimizer):
            optimizer.check_names(trainer.network.params)
        return trainer._prepare(given)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"train_many: trainers[{place}]: {error}") from error


def _in_order(runs: Sequence[Run], n_threads: int) -> list[tuple[int, Run]]:
    """Return the runs with their indices, the most expensive first.

    Arrays that were allocated one after another may share cache lines, and two threads that write
    to one line wait for each other. So among runs of equal cost, distant ones are neighbors.
    """
    stride = -(-len(runs) // n_threads) if runs else 1
    return sorted(enumerate(runs), key=lambda job: (-job[1].cost, job[0] % stride))


def _train(
    trainers: Sequence[Trainer], jobs: list[tuple[int, Run]], n_threads: int, progress: bool
) -> None:
    """Train the runs, in this order, on `n_threads` threads."""
    workers = _Workers(trainers, jobs, n_threads, progress)
    with progress_bar(shows=progress, total=len(trainers), unit="network") as bar:
        try:
            workers.start()
            for place, error in workers.ended():
                if error is not None:
                    error.add_note(f"train_many: this was in the fit of trainers[{place}]")
                    raise error
                if bar is not None:
                    bar.update()
        finally:
            workers.end()


class _Workers:
    """Threads that train runs until none is left or they are stopped.

    reports: whether to report every run that ends. Otherwise only errors are reported, so that the
        main thread sleeps and does not compete for the GIL.
    """

    def __init__(
        self,
        trainers: Sequence[Trainer],
        jobs: list[tuple[int, Run]],
        n_threads: int,
        reports: bool,
    ) -> None:
        from collections import deque
        from queue import Queue
        from threading import Thread

        self._trainers = trainers
        self._reports = reports
        self._stop = engine.Stop()
        self._news: Queue[News] = Queue()
        # Only the first thread runs Python loops: two would pass the GIL back and forth, and Ctrl-C
        # would wait for it.
        self._compiled: Jobs = deque()
        in_python: Jobs = deque()
        for job in jobs:
            (self._compiled if job[1].compiles else in_python).append(job)
        jobs.clear()  # frees a run, with its rows, when it ends
        self._threads = [
            Thread(
                target=self._work,
                args=[deque() if number else in_python],
                name=f"train_many-{number}",
            )
            for number in range(n_threads)
        ]

    def start(self) -> None:
        """Start the threads, or as many as the system allows; without any, train in this one."""
        for place, thread in enumerate(self._threads):
            try:
                thread.start()
            except RuntimeError:  # no further thread can start, or no lock to wait for its start
                begun = place + _has_begun(thread)
                if begun == 0:
                    thread.run()
                del self._threads[max(begun, 1) :]
                return

    def end(self) -> None:
        """Stop all trainings after their current step, and wait for the threads."""
        self._stop.set()
        for thread in self._threads:
            if _has_begun(thread):
                thread.join()

    def ended(self) -> Iterator[tuple[int, BaseException | None]]:
        """Yield the place of each run that has ended, and its error, until all threads end."""
        n_working = len(self._threads)
        while n_working:
            one = self._next()
            if one is None:
                n_working -= 1
            else:
                yield one

    def _work(self, mine: Jobs) -> None:
        """Train the runs of this thread, then those that any thread may train."""
        with engine.one_of_many(self._stop), suppress(engine.Stopped):
            while mine or self._compiled:
                try:
                    place, run = (mine or self._compiled).popleft()
                except IndexError:  # another thread took the last one
                    break
                engine.check_stop()
                try:
                    self._trainers[place]._run(run)
                except engine.Stopped:
                    raise
                except BaseException as error:
                    self._news.put((place, error))
                    return
                del run
                if self._reports:
                    self._news.put((place, None))
            self._news.put(None)

    def _next(self) -> News:
        """Wait for a report of a thread; raise KeyboardInterrupt if this training should stop."""
        from queue import Empty

        # A wait without a timeout may never end: if a signal handler returns after the timeout of a
        # SimpleQueue, CPython passes on a negative remainder, which means no timeout.
        while True:
            engine.check_stop()  # this may run in a callback of another train_many
            with suppress(Empty):
                return self._news.get(timeout=POLL_SECONDS)


def _has_begun(thread: Thread) -> bool:
    """Return whether a thread runs or has run.

    An interrupt can end `Thread.start` before the thread runs; the thread then begins slightly
    later.
    """
    from threading import enumerate as threads_and_limbo

    limit = perf_counter() + MAX_START_SECONDS
    while thread.ident is None and thread in threads_and_limbo() and perf_counter() < limit:
        sleep(POLL_SECONDS / 100)
    return thread.ident is not None


def _as_trainers(trainers: Iterable[Trainer]) -> tuple[Trainer, ...]:
    if not hasattr(trainers, "__iter__"):
        raise TypeError(f"train_many: trainers must be a list of Trainers, but is {trainers!r}")
    trainers = tuple(elements(trainers, "train_many: trainers"))
    for place, trainer in enumerate(trainers):
        if not isinstance(trainer, Trainer):
            raise TypeError(
                f"train_many: trainers[{place}] must be a Trainer, but is a "
                f"{type(trainer).__name__}"
            )
    return trainers
