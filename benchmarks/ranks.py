"""Time a training step that is cut into slices, and one that the ranks of MPI share.

    python -m benchmarks.ranks                    one process, alternately in one slice and in 16
    mpiexec -n 2 python -m benchmarks.ranks       the ranks of MPI, in 16 slices

Prints milliseconds of CPU time and of wall time per step and rank, the minimum of several epochs.
Only wall time depends on the load of the machine.
"""

from __future__ import annotations

from itertools import pairwise
from time import perf_counter, process_time
from typing import Any

import numpy as np

from handnn import SGD, MSELoss, Trainer, get_num_threads, mlp

CASES = [([13, 64, 64, 1], 32), ([784, 256, 128, 10], 128), ([512, 1024, 1024, 64], 1024)]
N_EPOCHS = 7


class Case:
    """A training of one network with some options; `best` is (CPU, wall) in ms per step."""

    def __init__(self, sizes: list[int], batch_size: int, **options: Any) -> None:
        rng = np.random.default_rng(0)
        work = batch_size * sum(n_in * n_out for n_in, n_out in pairwise(sizes))
        self.n_steps = max(2, min(200, int(2e9 / work)))
        self.x = rng.normal(size=(self.n_steps * batch_size, sizes[0])).astype("float32")
        self.y = rng.normal(size=(len(self.x), sizes[-1])).astype("float32")
        self.batch_size = batch_size
        self.trainer = Trainer(mlp(sizes, rng=0), MSELoss(), SGD(1e-6), rng=0, **options)
        self.best = (np.inf, np.inf)

    def run(self) -> None:
        """Train for one epoch."""
        cpu, wall = process_time(), perf_counter()
        self.trainer.fit(self.x, self.y, 1, self.batch_size)
        times = (process_time() - cpu, perf_counter() - wall)
        cpu, wall = (1e3 * time / self.n_steps for time in times)
        self.best = (min(self.best[0], cpu), min(self.best[1], wall))


def main() -> None:
    """Print a table."""
    try:
        from mpi4py import MPI

        comm: Any = MPI.COMM_WORLD
    except (ImportError, RuntimeError):
        comm = None
    n_ranks = 1 if comm is None else comm.size
    columns: dict[str, dict[str, Any]] = {"16 slices": {"comm": comm, "shards": 16}}
    if n_ranks == 1:
        one = {"as usual": {}, "comm, 1 slice": {"comm": comm, "shards": 1}}
        columns = {**one, **columns}
    is_first = comm is None or comm.rank == 0
    if is_first:
        print(f"{n_ranks} ranks of {get_num_threads()} threads; ms of CPU / ms of wall clock")
        print(f"{'network, batch':<26}", *(f"{name:>18}" for name in columns))
    for sizes, batch_size in CASES:
        cases = [Case(sizes, batch_size, **options) for options in columns.values()]
        for _ in range(N_EPOCHS):
            for case in cases:
                case.run()
        if is_first:
            times = (f"{case.best[0]:.3f} / {case.best[1]:.3f}" for case in cases)
            name = f"{'-'.join(map(str, sizes))}, {batch_size}"
            print(f"{name:<26}", *(f"{time:>18}" for time in times))


if __name__ == "__main__":
    main()
