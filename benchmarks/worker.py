"""One process per contestant, because threads and BLAS kernels are set per process."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import time
import traceback
from collections.abc import Iterator
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from benchmarks.machine import bandwidths, fma_peak, peak_memory, pin, usable_cpus
from benchmarks.peers import Contestant
from benchmarks.problems import Array, Problem, Task


class WorkerError(RuntimeError):
    """Raised when a call in a contestant's process fails."""


class Worker:
    """A contestant's process; each method calls that of `Session` in it."""

    def __init__(self, contestant: Contestant, threads: int) -> None:
        self.label = contestant.label
        context = multiprocessing.get_context("spawn")
        self._pipe, other_end = context.Pipe()
        self._process = context.Process(
            target=serve, args=(other_end, contestant.module, threads), daemon=True
        )
        with environment(settings(threads) | contestant.environment):
            self._process.start()
        other_end.close()

    def make(self, maker: str, problem: Problem, rows: int = 0) -> None:
        """Make the next task."""
        self._call("make", maker, problem, rows)

    def run(self, repeats: int) -> float:
        """Run the task and return the seconds it took."""
        return float(self._call("run", repeats))

    def run_cpu(self, repeats: int) -> float:
        """Run the task and return the seconds of CPU time it took."""
        return float(self._call("run_cpu", repeats))

    def result(self) -> list[Array]:
        """Return the task's result."""
        result: list[Array] = self._call("result")
        return result

    def peak_memory(self) -> int:
        """Return the peak memory of the process in bytes."""
        return int(self._call("peak_memory"))

    def fma_peak(self, seconds: float, dtype: str = "float32") -> float:
        """Return the peak operations per second of the process's core."""
        return float(self._call("fma_peak", seconds, dtype))

    def bandwidths(self, seconds: float) -> list[tuple[int, float]]:
        """Return sizes in bytes and the bytes per second that are copied within them."""
        found: list[tuple[int, float]] = self._call("bandwidths", seconds)
        return found

    def _call(self, method: str, *arguments: object) -> Any:
        try:
            self._pipe.send((method, arguments))
            succeeded, answer = self._pipe.recv()
        except (EOFError, OSError):
            raise WorkerError(f"{self.label}: the process ended during {method}") from None
        if not succeeded:
            raise WorkerError(f"{self.label}: {method} failed\n{answer.rstrip()}")
        return answer

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(timeout=5)
        self._process.terminate()


class Session:
    """The calls that a worker process executes."""

    def __init__(self, module: str, threads: int) -> None:
        self.module = importlib.import_module(f"benchmarks.peers.{module}")
        self.threads = threads
        self.task: Task | None = None
        self.peak_memory = peak_memory
        self.bandwidths = bandwidths
        self.fma_peak = fma_peak

    def make(self, maker: str, problem: Problem, rows: int) -> None:
        """Make the task after freeing the previous one."""
        self.task = None
        self.task = getattr(self.module, maker)(problem, rows, self.threads)

    def run(self, repeats: int) -> float:
        """Run the task and return the seconds it took."""
        assert self.task is not None
        start = time.perf_counter()
        self.task.run(repeats)
        return time.perf_counter() - start

    def run_cpu(self, repeats: int) -> float:
        """Run the task and return the seconds of CPU time it took."""
        assert self.task is not None
        start = time.process_time()
        self.task.run(repeats)
        return time.process_time() - start

    def result(self) -> list[Array]:
        """Return the task's result."""
        assert self.task is not None
        return self.task.result()


def serve(pipe: Connection, module: str, threads: int) -> None:
    """Execute the parent's calls until it closes the pipe; pinned to a CPU if single-threaded."""
    if threads == 1:
        pin(usable_cpus()[-1])
    session = None
    while True:
        try:
            method, arguments = pipe.recv()
        except EOFError:
            return
        try:
            session = session or Session(module, threads)
            pipe.send((True, getattr(session, method)(*arguments)))
        except Exception:
            pipe.send((False, traceback.format_exc()))


def settings(threads: int) -> dict[str, str]:
    """Return the environment variables that set the threads of every library."""
    names = ("HANDNN", "OMP", "OPENBLAS", "MKL")
    variables = {f"{name}_NUM_THREADS": str(threads) for name in names}
    variables |= {"JAX_PLATFORMS": "cpu", "TORCHINDUCTOR_COMPILE_THREADS": "1"}
    if threads == 1:
        variables["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return variables


@contextlib.contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables for processes started in the context."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
