"""Time a training step that is cut into slices, and one that the ranks of MPI share.

    python -m benchmarks.ranks                    one process, alternately in one slice and in 16
    mpiexec -n 2 python -m benchmarks.ranks       the ranks of MPI, in 16 slices
    python -m benchmarks.ranks --beside 2         two ranks of one thread, beside two threads

Prints milliseconds of CPU time and of wall time per step and rank, the minimum of several epochs.
Only wall time depends on the load of the machine. In the last form, the two programs run
alternately, and ratios of wall time follow.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from shutil import which
from time import perf_counter, process_time
from typing import Any

import click
import numpy as np

from handnn import SGD, MSELoss, Trainer, get_num_threads, mlp

CASES = [([13, 64, 64, 1], 32), ([784, 256, 128, 10], 128), ([512, 1024, 1024, 64], 1024)]
N_EPOCHS = 7
N_ROUNDS = 3

Times = dict[str, list[float]]
"""CPU time and wall time of a step in ms, by the name of a column."""


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


def measured() -> list[Times]:
    """Return the times of each case, measured by this rank."""
    comm = communicator()
    columns: dict[str, dict[str, Any]] = {"16 slices": {"comm": comm, "shards": 16}}
    if comm is None or comm.size == 1:
        one = {"as usual": {}, "comm, 1 slice": {"comm": comm, "shards": 1}}
        columns = {**one, **columns}
    found = []
    for sizes, batch_size in CASES:
        cases = [Case(sizes, batch_size, **options) for options in columns.values()]
        for _ in range(N_EPOCHS):
            for case in cases:
                case.run()
        found.append({name: [*case.best] for name, case in zip(columns, cases, strict=True)})
    return found


def communicator() -> Any:
    """Return the communicator of all ranks; None without MPI."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError):
        return None
    return MPI.COMM_WORLD


def beside(n: int) -> list[Times]:
    """Return the best times of n threads and of n ranks of one thread, run alternately."""
    mpiexec = which(
        "mpiexec", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    )
    if mpiexec is None:
        raise click.ClickException(
            "--beside needs mpiexec, which is not installed (pip install mpich)"
        )
    own = [sys.executable, "-m", "benchmarks.ranks", "--json"]
    programs = {f"{n} threads": (own, n), f"{n} ranks": ([mpiexec, "-n", str(n), *own], 1)}
    best: list[Times] = [{} for _ in CASES]
    for _ in range(N_ROUNDS):
        for name, (command, n_threads) in programs.items():
            environment = {**os.environ, "HANDNN_NUM_THREADS": str(n_threads)}
            done = subprocess.run(
                command, env=environment, stdout=subprocess.PIPE, text=True, check=True
            )
            for place, times in enumerate(json.loads(done.stdout)):
                for column, pair in times.items():
                    if column != "comm, 1 slice":
                        key = name if column == "as usual" else f"{name}, {column}"
                        before = best[place].get(key, pair)
                        best[place][key] = [*map(min, before, pair)]
    return best


@click.command()
@click.option("--beside", "n_beside", type=click.IntRange(2), metavar="N", help="See above.")
@click.option("--json", "as_json", is_flag=True, help="Print the times as JSON.")
def main(n_beside: int | None, as_json: bool) -> None:
    """Print a table."""
    comm = communicator()
    found = measured() if n_beside is None else beside(n_beside)
    if comm is not None and comm.rank > 0:
        return
    if as_json:
        print(json.dumps(found))
        return
    if n_beside is None:
        n_ranks = 1 if comm is None else comm.size
        print(f"{n_ranks} ranks of {get_num_threads()} threads; ms of CPU / ms of wall clock")
    print(f"{'network, batch':<26}", *(f"{name:>20}" for name in found[0]))
    for (sizes, batch_size), times in zip(CASES, found, strict=True):
        name = f"{'-'.join(map(str, sizes))}, {batch_size}"
        print(f"{name:<26}", *(f"{cpu:>11.3f} / {wall:6.3f}" for cpu, wall in times.values()))
        if n_beside is not None:
            threads = times[f"{n_beside} threads"][1]
            ratios = [f"{wall / threads:.2f} x" for _, wall in times.values()]
            print(f"{'  wall, beside threads':<26}", *(f"{ratio:>20}" for ratio in ratios))
        elif "as usual" in times:
            usual = times["as usual"][0]
            ratios = [f"{cpu / usual:.3f} x" for cpu, _ in times.values()]
            print(f"{'  CPU, beside as usual':<26}", *(f"{ratio:>20}" for ratio in ratios))


if __name__ == "__main__":
    main()
