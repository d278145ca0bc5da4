"""The watcher of a host: a process that outlives the ranks, and reports the first one that dies.

A launcher such as mpiexec ends all ranks as soon as one has died, so none of them can report it.
This script goes on, because it has a session of its own. Each rank on the host has a connection to
it. The kernel closes the files of a process that dies, those opened last first: this connection
before the one by which a launcher notices. epoll returns events in their order.

The first event ends the watch: a rank that dies closes its connection, and a rank that leaves sends
a byte before. The watchers of other hosts are connected to that of rank 0, which reports the first
event of all hosts. `watch` starts this script, which imports nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress

SECONDS = 1.0
"""The time for a connection to another host, and for its answer."""

SIGN = b"."
"""What a watcher sends when it watches a connection, and what those at the other end send when
they leave."""

PIDFD_GET_INFO, PIDFD_INFO_EXIT = 0xC040FF0B, 8
"""A request of <linux/pidfd.h>, from Linux 6.15: how a process ended that was waited for."""


class Watcher:
    """The sockets of one watcher.

    ranks: what to call the rank of each process. token: what another watcher has to send.
    """

    def __init__(self, ranks: dict[int, str], token: bytes) -> None:
        self.ranks, self.token = ranks, token
        self.poll = select.epoll()
        self.sockets: dict[int, socket.socket] = {}
        self.processes: dict[int, tuple[int, int]] = {}
        """The process of each rank, and its pidfd, by the file descriptor of the connection."""

    def add(self, one: socket.socket) -> None:
        """Wait for events of a connection, or of a socket that listens."""
        self.sockets[one.fileno()] = one
        self.poll.register(one, select.EPOLLIN)

    def first_event(self) -> bytes:
        """Return the line that reports the first death; none if a rank left before."""
        while True:
            for number, _ in self.poll.poll():
                one = self.sockets[number]
                if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    self._accept(one.accept()[0])
                    continue
                data = b""
                with suppress(OSError):
                    data = one.recv(2**12)
                if data or number not in self.processes:
                    return data.removeprefix(SIGN)
                process, pidfd = self.processes[number]
                return f"handnn: {self.ranks[process]} {ending(process, pidfd)}\n".encode()

    def _accept(self, connection: socket.socket) -> None:
        """Watch a connection, if it is from a rank or from a watcher that knows the token."""
        connection.settimeout(SECONDS)
        process = process_of(connection)
        is_known = process in self.ranks
        with suppress(OSError):
            if is_known:
                self.processes[connection.fileno()] = process, pidfd_of(process)
            elif not process:
                is_known = connection.recv(len(self.token)) == self.token
            if is_known:
                self.add(connection)
                connection.send(SIGN)
        if not is_known:
            connection.close()


def process_of(connection: socket.socket) -> int:
    """Return the process at the other end of a Unix socket; 0 for a connection over TCP."""
    size = struct.calcsize("3i")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return int(struct.unpack("3i", credentials)[0])


def pidfd_of(process: int) -> int:
    """Return a file descriptor of a process, -1 if there is none."""
    with suppress(OSError, AttributeError):
        return os.pidfd_open(process)
    return -1


def ending(process: int, pidfd: int) -> str:
    """Return how a process ended, if the kernel tells."""
    import fcntl  # unlike the others, not on every platform

    status = 0
    try:
        with open(f"/proc/{process}/stat") as file:
            status = int(file.read().split()[-1])
    except OSError:  # its parent has waited for it
        with suppress(OSError, ValueError):
            asked = struct.pack("Q52xi", PIDFD_INFO_EXIT, 0)
            told, status = struct.unpack("Q52xi", fcntl.ioctl(pidfd, PIDFD_GET_INFO, asked))
            status = status if told & PIDFD_INFO_EXIT else 0
    if os.WIFSIGNALED(status):
        return f"was killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"ended with exit code {os.WEXITSTATUS(status)}" if status else "has died"


def connection_to(addresses: Sequence[tuple[str, int]], token: bytes) -> socket.socket | None:
    """Return a connection to the watcher of rank 0, at one of these addresses."""
    for address in addresses:
        with suppress(OSError):
            connection = socket.create_connection(address, SECONDS)
            with suppress(OSError):
                connection.sendall(token)
                if connection.recv(1):
                    return connection
            connection.close()
    return None


def main() -> None:
    """Watch until the first event, and report it to the watcher of rank 0, or on stderr."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    ranks, token, listeners, addresses = json.load(sys.stdin)
    watcher = Watcher({int(process): name for process, name in ranks.items()}, token.encode())
    for number in listeners:
        watcher.add(socket.socket(fileno=number))
    if os.fork():
        return  # the rank waits for this process, and has no child afterwards
    upstream = connection_to([(host, port) for host, port in addresses], watcher.token)
    if upstream is not None:
        watcher.add(upstream)
    line = watcher.first_event()
    with suppress(OSError):
        if upstream is not None:
            upstream.sendall(line or SIGN)
        else:
            os.write(sys.stderr.fileno(), line)


if __name__ == "__main__":
    main()
