"""Executors by name, for `handnn train --executor`."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from handnn.arrays import whole_number

if TYPE_CHECKING:
    from concurrent.futures import Executor

KINDS = "mpi, dask:ADDRESS or processes:N"


@contextmanager
def open_executor(name: str) -> Iterator[Executor | None]:
    """Yield the executor with this name, and close it afterwards.

    name: "processes:N" for N processes on this machine; "dask:ADDRESS" for the workers of a Dask
    scheduler ("dask:" alone starts one on this machine); "mpi" for the other ranks, in a program
    that `mpiexec` started.

    With "mpi" all ranks must call this. Rank 0 gets the executor. The others get None after they
    have run all jobs, and should then exit.

    Raises ValueError for another name, ImportError if a package is missing, OSError if no scheduler
    answers at the address.
    """
    kind, _, argument = name.partition(":")
    if kind == "processes" and argument.isdecimal():
        from concurrent.futures import ProcessPoolExecutor

        n_processes = whole_number(int(argument), "open_executor: the number of processes")
        with ProcessPoolExecutor(n_processes, initializer=_ignore_ctrl_c) as executor:
            yield executor
    elif kind == "dask":
        try:
            from distributed import Client
        except ImportError:
            raise ImportError("Dask needs dask: pip install 'dask[distributed]'") from None

        with Client(argument or None) as client, client.get_executor() as executor:
            yield executor
    elif name == "mpi":
        try:
            from mpi4py.futures import MPICommExecutor
        except ImportError:
            raise ImportError("MPI needs mpi4py and an MPI: pip install mpi4py mpich") from None

        with MPICommExecutor() as of_rank_0:
            executor_or_none: Any = of_rank_0  # its stub does not declare it an Executor
            yield executor_or_none
    else:
        raise ValueError(f"{name!r} is not an executor: {KINDS}")


def _ignore_ctrl_c() -> None:
    """Leave Ctrl-C to the parent, which asks the workers to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
