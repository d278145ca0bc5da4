"""Places: on which host and in which process each rank runs, and whether it still does."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

PLACE_BYTES = 1024
"""The length of a place in a message; names of hosts have at most 255 characters."""


class Place(NamedTuple):
    """Where a rank runs."""

    host: str
    process: int
    namespace: str
    """In which process numbers are unique; "" if unknown."""

    def __str__(self) -> str:
        """Return `host (process 12)`."""
        return f"{self.host} (process {self.process})"

    def is_dead(self) -> bool:
        """Return whether the process has ended; False if that cannot be seen from here."""
        if (self.host, self.namespace) != here()[::2]:
            return False
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        try:
            with open(f"/proc/{self.process}/stat") as file:
                return file.read().rpartition(") ")[2][:1] == "Z"
        except OSError:
            return False


def here() -> Place:
    """Return the place of this process."""
    import socket

    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    return Place(socket.gethostname(), os.getpid(), namespace)


def places_of(comm: Any, wait: Callable[[Any], None]) -> list[Place]:
    """Return the place of each rank of a communicator, which keeps them for the next call.

    wait: is called with the request of an exchange. The first call prints the places on stderr: a
    launcher names a process that dies, and not its rank.
    """
    found: list[Place] | None = comm.Get_attr(_key())
    if found is None:
        own = np.zeros(PLACE_BYTES, np.uint8)
        text = json.dumps(here()).encode()[:PLACE_BYTES]
        own[: len(text)] = np.frombuffer(text, np.uint8)
        every = np.zeros((comm.size, PLACE_BYTES), np.uint8)
        wait(comm.Iallgather(own, every))
        found = [Place(*json.loads(place.tobytes().rstrip(b"\0"))) for place in every]
        comm.Set_attr(_key(), found)
        if comm.rank == 0:
            print(described(found), file=sys.stderr, flush=True)
    return found


def described(places: Sequence[Place]) -> str:
    """Return a line for each host, with the ranks and processes on it."""
    hosts: dict[str, list[str]] = {}
    for rank, place in enumerate(places):
        hosts.setdefault(place.host, []).append(f"rank {rank} is process {place.process}")
    return "\n".join(f"handnn: on {host}, {', '.join(ranks)}" for host, ranks in hosts.items())


@cache
def _key() -> int:
    from mpi4py import MPI

    return int(MPI.Comm.Create_keyval())
