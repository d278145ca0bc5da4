"""All contestants of one comparison: verified on a problem, then timed alternately."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks import verify
from benchmarks.peers import Contestant
from benchmarks.problems import Array, Problem
from benchmarks.report import progress
from benchmarks.timing import Effort, Timed, interleave
from benchmarks.worker import Worker, WorkerError

OURS = "handnn"
Makers = Callable[[Contestant], str | None]
"""Returns the name of the class that makes a contestant's task, or None."""
Expected = Callable[[Contestant], tuple[list[Array], float]]
"""Returns the expected result of a contestant, and the tolerance."""


@dataclass(frozen=True)
class Result:
    """Seconds and errors of one problem by label; errors are in units of the tolerance."""

    seconds: dict[str, float]
    errors: dict[str, float]
    peak: float

    def ratio(self, label: str) -> float | None:
        """Return the time of a contestant divided by handnn's."""
        return self.seconds[label] / self.seconds[OURS] if label in self.seconds else None

    def best_peer(self) -> str | None:
        """Return the label of the fastest contestant other than handnn."""
        peers = [label for label in self.seconds if not label.startswith(OURS)]
        return min(peers, key=self.seconds.__getitem__, default=None)


class Field:
    """The processes of the contestants that have the task."""

    def __init__(self, workers: dict[Contestant, Worker], makers: Makers, threads: int) -> None:
        self.workers = workers
        self.makers = makers
        self.threads = threads

    def compare(
        self,
        problem: Problem,
        effort: Effort,
        expected: Expected,
        repeats: int,
        rows: int = 0,
    ) -> Result:
        """Verify all results after `repeats` repeats, then time all contestants alternately."""
        runs: dict[str, Timed] = {}
        errors = {}
        for contestant, worker in self.workers.items():
            maker = self.makers(contestant)
            assert maker is not None
            progress(f"{problem.title}{f', rows: {rows}' if rows else ''}: {worker.label}")
            try:
                worker.make(maker, problem, rows)
                worker.run(repeats)
            except WorkerError as error:
                if worker.label == OURS:
                    raise
                progress(f"skipped: {str(error).splitlines()[-1]}")
                continue
            errors[worker.label] = verify.check(
                worker.label, worker.result(), *expected(contestant)
            )
            runs[worker.label] = worker.run
        ours = next(iter(self.workers.values()))

        def operations(count: int) -> float:
            """Return the seconds that `count` operations take at the peak."""
            return count / ours.fma_peak(effort.seconds / 4)

        seconds = interleave(runs | {"peak": operations}, effort)
        return Result(seconds, errors, self.threads / seconds.pop("peak"))


def labels(results: list[Result]) -> list[str]:
    """Return the labels that occur in any of the results, in the order of CONTESTANTS."""
    return list(dict.fromkeys(label for result in results for label in result.seconds))


@contextlib.contextmanager
def field(contestants: list[Contestant], makers: Makers, threads: int) -> Iterator[Field]:
    """Start the processes of the contestants, and end them afterwards."""
    with contextlib.ExitStack() as stack:
        workers = {
            contestant: stack.enter_context(Worker(contestant, threads))
            for contestant in contestants
            if makers(contestant)
        }
        yield Field(workers, makers, threads)
