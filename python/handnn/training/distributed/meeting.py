"""The meeting of the ranks: before they train, they exchange places and start the watch."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from handnn.training.distributed.places import Place, described, here
from handnn.training.distributed.watch import Watch, watch_ranks

TEXT_BYTES = 1024
"""The length of a text in a message; names of hosts have at most 255 characters."""


def meet(comm: Any, wait: Callable[[Any], None]) -> tuple[list[Place], Watch | None]:
    """Return the place of each rank of a communicator, and the watch over this one, if any.

    The communicator keeps both for the next call. The first call prints the places on stderr.
    wait: is called with the request of an exchange.
    """
    found: tuple[list[Place], Watch | None] | None = comm.Get_attr(_key())
    if found is None:

        def exchange(text: str) -> list[str]:
            own = np.frombuffer(text.encode().ljust(TEXT_BYTES), np.uint8)
            every = np.empty((comm.size, TEXT_BYTES), np.uint8)
            wait(comm.Iallgather(own, every))
            return [one.tobytes().decode() for one in every]

        places = [Place(*json.loads(text)) for text in exchange(json.dumps(here()))]
        if comm.rank == 0:
            print(described(places), file=sys.stderr, flush=True)
        found = places, watch_ranks(comm.rank, places, exchange)
        comm.Set_attr(_key(), found)
    return found


@cache
def _key() -> int:
    from mpi4py import MPI

    return int(MPI.Comm.Create_keyval())
