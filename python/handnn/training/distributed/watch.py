"""The watch over the ranks: a process on each host that reports the first rank that dies.

See `watcher` for how. It needs epoll, which only Linux has; elsewhere, nothing is watched.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import socket
import subprocess
import sys
import weakref
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress

from handnn.training.distributed import watcher
from handnn.training.distributed.places import Place

SECONDS = 10.0
"""The time in which a watcher starts; a rank that is not watched by then goes on without."""


class Watch:
    """The connection of a rank to the watcher of its host.

    leave(): end the watch, because the end of this rank is not a death from now on. It is also
    called when the Watch is deleted, and when the interpreter exits.
    """

    def __init__(self) -> None:
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.settimeout(SECONDS)
        os.register_at_fork(after_in_child=self.connection.close)
        self.leave = weakref.finalize(self, _leave, self.connection)


def _leave(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.send(watcher.SIGN)
    connection.close()


def watch_ranks(
    rank: int, places: Sequence[Place], exchange: Callable[[str], list[str]]
) -> Watch | None:
    """Start the watchers; return the watch over this rank, None if there is none.

    places: of all ranks. exchange: returns the texts of all ranks.
    """
    hosts = [(place.host, place.namespace) for place in places]
    first = hosts.index(hosts[rank])
    with ExitStack() as stack:
        listeners = _listeners(stack, len(places), is_hub=rank == 0 and len({*hosts}) > 1)
        own = [_address(listeners), _addresses(listeners), secrets.token_hex()]
        every = [json.loads(text) for text in exchange(json.dumps(own))]
        if not every[first][0]:
            return None
        watch = Watch()
        with suppress(OSError, subprocess.SubprocessError):
            watch.connection.connect(every[first][0].encode())
            if rank == first:
                ranks = {
                    place.process: f"rank {number} on {place}"
                    for number, place in enumerate(places)
                    if hosts[number] == hosts[rank]
                }
                _start(listeners, ranks, every[0][2], every[0][1] if rank else [])
            if watch.connection.recv(1):
                return watch
        watch.leave()
        return None


def _listeners(stack: ExitStack, n_ranks: int, is_hub: bool) -> list[socket.socket]:
    """Return a socket for the ranks of this host and, at the hub, one for other watchers."""
    found: list[socket.socket] = []
    with suppress(OSError):
        if hasattr(select, "epoll"):
            found.append(stack.enter_context(socket.socket(socket.AF_UNIX)))
            found[0].bind("")  # to a name that is free
            found[0].listen(n_ranks)
        if found and is_hub:
            found.append(stack.enter_context(socket.create_server(("", 0))))
    return found


def _address(listeners: Sequence[socket.socket]) -> str:
    """Return the name of the first socket."""
    return listeners[0].getsockname().decode() if listeners else ""


def _addresses(listeners: Sequence[socket.socket]) -> list[tuple[str, int]]:
    """Return the addresses of the second socket: the name of the host, and its usual address."""
    found = []
    for listener in listeners[1:]:
        port = listener.getsockname()[1]
        found.append((socket.gethostname(), port))
        with suppress(OSError), socket.socket(type=socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", port))  # sends nothing, but selects an interface
            found.append((probe.getsockname()[0], port))
    return found


def _start(
    listeners: Sequence[socket.socket],
    ranks: dict[int, str],
    token: str,
    hub: Sequence[tuple[str, int]],
) -> None:
    """Start the watcher of this host."""
    numbers = [listener.fileno() for listener in listeners]
    subprocess.run(
        [sys.executable, "-I", "-S", watcher.__file__],
        input=json.dumps([ranks, token, numbers, hub]).encode(),
        stdout=subprocess.DEVNULL,
        pass_fds=numbers,
        start_new_session=True,
        timeout=SECONDS,
        check=True,
    )
