"""Places: on which host and in which process each rank runs, and whether it still does."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple


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


def described(places: Sequence[Place]) -> str:
    """Return a line for each host, with the ranks and processes on it."""
    hosts: dict[str, list[str]] = {}
    for rank, place in enumerate(places):
        hosts.setdefault(place.host, []).append(f"rank {rank} is process {place.process}")
    return "\n".join(f"handnn: on {host}, {', '.join(ranks)}" for host, ranks in hosts.items())
