"""Time messages between ranks after a computation, and beside it.

    mpiexec -n 2 python -m benchmarks.overlap

Each rank computes products that take about as long as a step, and exchanges a gradient of 1.6
million entries as a step does: a reduce-scatter and an allgather. "after" begins to send when the
products are done, and "beside" sends the first half of the messages while they are computed, and
polls it. Prints milliseconds of CPU time and of wall time of a rank, the minimum of several runs.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter, process_time
from typing import Any

import numpy as np

from handnn import functional

N_PARAMS = 1_600_000
N_PIECES = 8
"""The products of a run, each followed by a poll."""
N_RUNS = 15


class Exchange:
    """The gradients of the ranks, and the messages that sum them."""

    def __init__(self, comm: Any) -> None:
        self._comm = comm
        ends = np.arange(comm.size + 1) * N_PARAMS // comm.size
        self._sizes, self._starts = np.diff(ends), ends[:-1]
        self._own = np.random.default_rng(comm.rank).normal(size=N_PARAMS).astype("float32")
        self._total = np.empty(N_PARAMS, "float32")
        self._received = np.empty((comm.size, self._sizes[comm.rank]), "float32")

    def scatter(self) -> Any:
        """Begin to send each rank its part of the gradient; return the request."""
        n, size = self._received.shape
        places = [size * rank for rank in range(n)]
        return self._comm.Ialltoallv(
            [self._own, (self._sizes, self._starts)], [self._received, ([size] * n, places)]
        )

    def gather(self) -> None:
        """Send the sum of this rank's part to all."""
        own = self._received.sum(axis=0)
        self._comm.Iallgatherv(own, [self._total, (self._sizes, self._starts)]).Wait()


def main() -> None:
    """Print a line for each number of rows."""
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    exchange = Exchange(comm)
    rng = np.random.default_rng(0)
    w = rng.normal(size=(512, 1024)).astype("float32")
    b = np.zeros(1024, "float32")
    for n_rows in (64, 256, 1024):
        x = rng.normal(size=(n_rows, 512)).astype("float32")

        def compute(request: Any = None, x: Any = x) -> None:
            for _ in range(N_PIECES):
                functional.affine_forward(x, w, b)
                if request is not None:
                    request.Test()

        def after(compute: Callable[..., None] = compute) -> None:
            compute()
            exchange.scatter().Wait()
            exchange.gather()

        def beside(compute: Callable[..., None] = compute) -> None:
            request = exchange.scatter()
            compute(request)
            request.Wait()
            exchange.gather()

        cases: dict[str, Callable[[], None]] = {"alone": compute, "after": after, "beside": beside}
        best = dict.fromkeys(cases, (np.inf, np.inf))
        for _ in range(N_RUNS):
            for name, case in cases.items():
                comm.Barrier()
                cpu, wall = process_time(), perf_counter()
                case()
                times = 1e3 * (process_time() - cpu), 1e3 * (perf_counter() - wall)
                best[name] = (min(best[name][0], times[0]), min(best[name][1], times[1]))
        if comm.rank == 0:
            shown = (f"{name} {cpu:.1f} / {wall:.1f}" for name, (cpu, wall) in best.items())
            print(f"{comm.size} ranks, {n_rows} rows:", *shown, sep="   ", flush=True)


if __name__ == "__main__":
    main()
