"""Send the trainings of `train_many` to an executor, and collect the results."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from tempfile import TemporaryDirectory
from time import monotonic
from typing import TYPE_CHECKING

from handnn import engine
from handnn.engine.signals import held, run_waiting
from handnn.progress import progress_bar
from handnn.training.many.jobs import (
    Job,
    Outcome,
    run,
    take_over,
    take_over_stopping,
    with_references,
)
from handnn.training.many.shared_rows import SharedRows
from handnn.training.prepare import FitArguments
from handnn.training.trainer import Trainer

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

POLL_SECONDS = 0.1
"""The longest delay of Ctrl-C where a signal does not wake a waiting thread (Windows)."""

MAX_RUNS = 3
"""The largest number of attempts at a training whose worker dies."""

STOP_SECONDS = 30.0
"""The time to wait for workers to end their current step after an error or Ctrl-C."""


class WorkerDiedError(RuntimeError):
    """Raised by `train_many` when the worker of a training has died in every attempt."""


def train_on(
    executor: Executor,
    trainers: Sequence[Trainer],
    given: Mapping[int, FitArguments],
    progress: bool,
) -> None:
    """Fit the trainers in the workers of an executor.

    given: the checked arguments of each trainer, by its index, in the order to start them.

    Signals wait for the end of a poll: an exception during `submit` or `wait` of concurrent.futures
    would leave its locks held, and one during `take_over` an inconsistent trainer.
    """
    held(lambda: _train_on(executor, trainers, given, progress))


def _train_on(
    executor: Executor,
    trainers: Sequence[Trainer],
    given: Mapping[int, FitArguments],
    progress: bool,
) -> None:
    with (
        TemporaryDirectory(prefix="handnn-", ignore_cleanup_errors=True) as folder,
        progress_bar(shows=progress, total=len(trainers), unit="network") as bar,
    ):
        dispatch = _Dispatch(executor, SharedRows(folder), trainers, given)
        try:
            for place, outcome in dispatch.outcomes():
                dispatch.take_over(place, outcome)
                if outcome.error is not None:
                    outcome.error.add_note(f"train_many: this was in the fit of trainers[{place}]")
                    raise outcome.error
                if bar is not None:
                    bar.update()
        finally:
            dispatch.end()


class _Dispatch:
    """The jobs of one `train_many`: those that are running, and those that are waiting."""

    def __init__(
        self,
        executor: Executor,
        rows: SharedRows,
        trainers: Sequence[Trainer],
        given: Mapping[int, FitArguments],
    ) -> None:
        self._executor = executor
        self._replacement: Executor | None = None
        self._rows = rows
        self._trainers = trainers
        self._given = given
        self._jobs = {
            place: Job(place, trainers[place], self._portable(arguments), rows.folder)
            for place, arguments in given.items()
        }
        self._running: dict[Future[Outcome], int] = {}
        self._waiting = list(given)
        self._waiting_to_run_alone: list[int] = []
        self._n_deaths = dict.fromkeys(given, 0)

    def outcomes(self) -> Iterator[tuple[int, Outcome]]:
        """Yield the index and the outcome of each training as it ends."""
        died: list[int] = []
        while self._waiting or self._waiting_to_run_alone:
            places, self._waiting = self._waiting, []
            for place in places or [self._waiting_to_run_alone.pop()]:
                self._submit(self._jobs[place], died)
            while self._running:
                for place, outcome in self._ended(died):
                    if outcome.needs_arrays:
                        self._submit(replace(self._jobs[place], arrays=self._rows.arrays), died)
                    else:
                        yield place, outcome
            self._run_again(died)
            died.clear()

    def take_over(self, place: int, outcome: Outcome) -> None:
        """Give a trainer the state that its copy has now."""
        if outcome.trainer is not None:
            take_over(self._trainers[place], outcome.trainer)
            take_over_stopping(self._given[place].early_stopping, outcome.early_stopping)

    def end(self) -> None:
        """Stop the running jobs, and take over the results that arrive within `STOP_SECONDS`."""
        if self._running:
            self._rows.ask_to_stop()
            self._running = {f: place for f, place in self._running.items() if not f.cancel()}
            deadline = monotonic() + STOP_SECONDS
            while self._running and monotonic() < deadline:
                for place, outcome in self._ended([]):
                    self.take_over(place, outcome)
        if self._replacement is not None:
            self._replacement.shutdown(wait=not self._running, cancel_futures=True)

    def _portable(self, given: FitArguments) -> FitArguments:
        """Return arguments without arrays, and with an absolute path."""
        if given.checkpoint is not None:
            given = replace(given, checkpoint=os.path.abspath(given.checkpoint))
        return with_references(given, self._rows)

    def _submit(self, job: Job, died: list[int]) -> None:
        from concurrent.futures import BrokenExecutor

        try:
            self._running[self._executor.submit(run, job)] = job.place
        except BrokenExecutor:
            died.append(job.place)

    def _ended(self, died: list[int]) -> list[tuple[int, Outcome]]:
        """Wait until jobs end; return their outcomes, and add those of a dead worker to `died`."""
        from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, wait

        done: set[Future[Outcome]] = set()
        while not done:
            engine.check_stop()  # this may run in a callback of another train_many
            run_waiting()
            done = wait(self._running, POLL_SECONDS, FIRST_COMPLETED).done
        ended = []
        for future in done:
            place = self._running.pop(future)
            try:
                ended.append((place, future.result()))
            except BrokenExecutor:
                died.append(place)
            except BaseException as error:
                error.add_note(f"train_many: this was in the job of trainers[{place}]")
                raise
        return ended

    def _run_again(self, died: Sequence[int]) -> None:
        """Run trainings again if their pool has ended because one of its workers died.

        The pool does not report which worker it was. So a training that was running when a worker
        died twice runs alone the third time.
        """
        if not died:
            return
        begun = [place for place in died if self._rows.has_begun(place)]
        for place in begun or died:
            self._n_deaths[place] += 1
        gone = [place for place in died if self._n_deaths[place] == MAX_RUNS]
        if gone or not self._renew():
            names = ", ".join(f"trainers[{place}]" for place in sorted(gone or begun or died))
            times = f"{MAX_RUNS} times" if gone else "and the executor has ended with it"
            raise WorkerDiedError(f"train_many: the worker of {names} died, {times}")
        for place in died:
            is_last = self._n_deaths[place] == MAX_RUNS - 1
            (self._waiting_to_run_alone if is_last else self._waiting).append(place)

    def _renew(self) -> bool:
        """Replace a pool of processes that has ended; return whether that is possible."""
        from concurrent.futures import ProcessPoolExecutor

        ended = self._executor
        if not isinstance(ended, ProcessPoolExecutor):
            return False
        settings = vars(ended)
        self._executor = self._replacement = ProcessPoolExecutor(
            settings["_max_workers"],
            settings["_mp_context"],
            settings["_initializer"],
            settings["_initargs"],
        )
        return True
