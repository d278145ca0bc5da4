"""Ranks: the messages between the processes of one training, over MPI.

Before every exchange of data, all ranks exchange a header: whether a rank has failed, whether one
was asked to stop, and a few numbers. So an error or a Ctrl-C of any rank reaches all within a step.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any, TypeVar
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from handnn.arrays import Array
from handnn.training.distributed.meeting import meet
from handnn.training.distributed.places import Place, here
from handnn.training.distributed.sharding import Sharding
from handnn.training.distributed.watch import Watch
from handnn.training.interrupts import is_asked

Thing = TypeVar("Thing")

SPIN_SECONDS = 0.002
"""The time for which a rank polls an exchange before it sleeps between polls."""

LOOK_SECONDS = 0.5
"""How often a rank that waits looks whether the processes of the others on its host still run."""

FORWARDING_SECONDS = 0.3
"""The time that a launcher has to forward the last message on stderr before it ends all ranks."""

FAREWELL_SECONDS = 2.0
"""The time that ranks wait for signs of life from the others after the deadline."""

MAX_SHORT = 2**16
"""Up to this number of entries in all nodes, one message is faster than two smaller ones."""

MAX_NUMBERS = 64
"""The largest number of values in a header."""

FAREWELL = 77
"""The tag of signs of life."""


class RankError(RuntimeError):
    """Raised in all other ranks when one has failed; the message names that rank and its error."""


class Ranks:
    """The ranks of one training. With a single rank, nothing is sent."""

    def __init__(self, sharding: Sharding) -> None:
        self.sharding = sharding
        self.rank, self.size = sharding.rank, sharding.n_ranks
        self._comm: Any = None
        self.places: list[Place] = []
        self._watch: Watch | None = None
        if self.size > 1:
            self.places, self._watch = meet(sharding.comm, self._wait)
            self._comm, request = sharding.comm.Idup()
            self._wait(request)

    def close(self) -> None:
        """Free the communicator."""
        if self._comm is not None:
            self._comm.Free()
            self._comm = None

    def agree(
        self, stops: bool = False, numbers: Sequence[float] = ()
    ) -> tuple[bool, NDArray[np.float64]]:
        """Exchange headers; return whether any rank was asked to stop, and the numbers of all
        ranks.

        Raises RankError if another rank has failed.
        """
        own = np.zeros(2 + MAX_NUMBERS)
        own[1] = stops
        own[2 : 2 + len(numbers)] = numbers
        every = self._headers(own)
        if every[:, 0].any():
            raise RankError(self._failures("", every[:, 0]))
        return bool(every[:, 1].any()), every[:, 2 : 2 + len(numbers)]

    def fail(self, error: BaseException) -> None:
        """Tell all ranks that this one has failed; they raise RankError."""
        if self.size == 1 or isinstance(error, RankError):
            return
        import traceback

        own = np.zeros(2 + MAX_NUMBERS)
        own[0] = 1
        every = self._headers(own)
        what = "".join(traceback.format_exception_only(error)).strip()
        self._failures(f"rank {self.rank} on {here()}: {what}", every[:, 0])

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Report an error in the body to all ranks, which receive it in their next exchange."""
        try:
            yield
        except BaseException as error:
            self.fail(error)
            raise

    def check_stop(self) -> None:
        """Raise KeyboardInterrupt in all ranks if one was asked to stop; see `Interrupts`."""
        if self.agree(is_asked())[0]:
            raise KeyboardInterrupt

    def gather(self, own: Thing) -> list[Thing]:
        """Return one object of each rank, in order; mpi4py pickles them.

        Raises what `check_stop` raises.
        """
        if self.size == 1:
            return [own]
        from mpi4py.MPI import pickle

        data = np.frombuffer(pickle.dumps(own), np.uint8)
        stops, numbers = self.agree(is_asked(), [len(data)])
        if stops:
            raise KeyboardInterrupt
        lengths = numbers[:, 0].astype(int).tolist()
        every = np.empty(sum(lengths), np.uint8)
        self._wait(self._comm.Iallgatherv(data, [every, (lengths, None)]))
        ends = np.cumsum([0, *lengths])
        return [pickle.loads(every[ends[r] : ends[r + 1]].data) for r in range(self.size)]

    def check_same(self, things: Mapping[str, object], where: str = "Trainer.fit") -> None:
        """Raise ValueError in all ranks unless each named object has the same bytes in all."""
        if self.size == 1:
            return
        hashes = [float(hash_of(thing)) for thing in things.values()]
        _, every = self.agree(numbers=hashes)
        for name, column in zip(things, every.T, strict=True):
            others = np.flatnonzero(column != column[0])
            if len(others):
                raise ValueError(
                    f"{where}: {name} of rank {others[0]} differs from that of rank 0; all "
                    "ranks must be given the same"
                )

    def sum_over_shards(self, shares: Array, total: Array, counts: Sequence[int], add: Any) -> None:
        """Sum arrays of all ranks into `total` (P,): each a range of it, or all of a short one.

        shares (n, P): the nodes of this rank. counts: the number of nodes of each rank. add: the
        sum of all nodes, in the order of the ranks (Σ counts, entries) -> (entries,).
        """
        if self.size == 1:
            total[...] = add(shares)
            return
        if sum(counts) * len(total) <= MAX_SHORT:
            total[...] = add(self.gather_shares(shares, counts))
            return
        ends = np.arange(self.size + 1) * len(total) // self.size
        sizes, mine = np.diff(ends), slice(ends[self.rank], ends[self.rank + 1])
        received = np.empty((sum(counts), mine.stop - mine.start), total.dtype)
        places = np.cumsum([0, *counts])
        for number in range(max(counts)):
            sends = sizes if number < len(shares) else 0 * sizes
            takes = [len(received[0]) if number < count else 0 for count in counts]
            rows = [int(places[r]) + number if takes[r] else 0 for r in range(self.size)]
            self._wait(
                self._comm.Ialltoallv(
                    [shares[number if number < len(shares) else 0], (sends, ends[:-1])],
                    [received, (takes, [row * len(received[0]) for row in rows])],
                )
            )
        own = np.ascontiguousarray(add(received))
        self._wait(self._comm.Iallgatherv(own, [total, (sizes, ends[:-1])]))

    def gather_shares(self, shares: Array, counts: Sequence[int]) -> Array:
        """Return the nodes of all ranks, (Σ counts, n); shares (n_nodes, n): those of this rank."""
        if self.size == 1:
            return shares
        every = np.empty((sum(counts), shares.shape[1]), shares.dtype)
        lengths = [count * shares.shape[1] for count in counts]
        self._wait(self._comm.Iallgatherv(shares, [every, (lengths, None)]))
        return every

    def merge(self, array: Array) -> None:
        """Combine arrays in place: each rank has filled its own part, with zeros elsewhere."""
        if self.size > 1:
            from mpi4py import MPI

            whole = array.reshape(-1).view(np.uint8)
            self._wait(self._comm.Iallreduce(MPI.IN_PLACE, whole, op=MPI.BOR))

    def _headers(self, own: NDArray[np.float64]) -> NDArray[np.float64]:
        every = np.empty((self.size, len(own)))
        if self.size == 1:
            every[0] = own
        else:
            self._wait(self._comm.Iallgather(own, every))
        return every

    def _failures(self, own: str, has_failed: NDArray[np.float64]) -> str:
        """Exchange the errors of the ranks that failed, and return them as one string."""
        text = np.frombuffer(own.encode()[:1000].ljust(1000), np.uint8).copy()
        every = np.empty((self.size, len(text)), np.uint8)
        self._wait(self._comm.Iallgather(text, every))
        return "; ".join(
            every[rank].tobytes().decode(errors="replace").strip()
            for rank in np.flatnonzero(has_failed)
        )

    def _wait(self, request: Any) -> None:
        """Wait for an exchange; if a rank has died or does not answer, report it and end all."""
        start = monotonic()
        next_look = start + LOOK_SECONDS
        while not request.Test():
            now = monotonic()
            if now - start > self.sharding.deadline:
                self._end_all(self._silent(), f"did not answer within {self.sharding.deadline:g} s")
            if now > next_look:
                dead = {rank for rank, place in enumerate(self.places) if place.is_dead()}
                if dead:
                    self._end_all(dead, "has died")
                next_look = now + LOOK_SECONDS
            if now - start > SPIN_SECONDS:
                sleep(1e-4)

    def _silent(self) -> set[int]:
        """Exchange signs of life; return the ranks that send none."""
        comm = self.sharding.comm
        silent = set(range(self.size)) - {self.rank}
        sign, keeps = np.zeros(1), []
        for other in silent:
            keeps.append(comm.Isend(sign, other, FAREWELL))
        end = monotonic() + FAREWELL_SECONDS
        while monotonic() < end and silent:
            silent = {other for other in silent if not comm.Iprobe(other, FAREWELL)}
            sleep(0.01)
        return silent

    def _end_all(self, missing: set[int], what: str) -> None:
        """Report the ranks that are missing, and terminate all ranks."""
        where = [f" on {place}" for place in self.places] or [""] * self.size
        names = [f"rank {rank}{where[rank]}" for rank in sorted(missing)]
        text = (
            f"handnn: rank {self.rank} on {here()}: {', '.join(names) or 'another rank'} {what}; "
            f"ending all {self.size} ranks"
        )
        print(text, file=sys.stderr, flush=True)
        if self._watch is not None:
            self._watch.leave()
        if self.rank == min(set(range(self.size)) - missing):
            sleep(FORWARDING_SECONDS)
            self.sharding.comm.Abort(1)
        sleep(FAREWELL_SECONDS)
        os._exit(1)


def hash_of(thing: object) -> int:
    """Return a 32-bit hash of the bytes of an array, of arrays by name, or of a string."""
    if isinstance(thing, np.ndarray):
        return crc32(np.ascontiguousarray(thing).reshape(-1).view(np.uint8).data, len(thing))
    if isinstance(thing, Mapping):
        return crc32(repr([(name, hash_of(array)) for name, array in thing.items()]).encode())
    if isinstance(thing, Sequence) and not isinstance(thing, str):
        return crc32(repr([hash_of(one) for one in thing]).encode())
    return crc32(repr(thing).encode())


@contextmanager
def ranks_of(sharding: Sharding) -> Iterator[Ranks | None]:
    """Yield the ranks of a fit, None for a single one; tell the others if it fails."""
    if sharding.n_ranks == 1:
        yield None
        return
    ranks = Ranks(sharding)
    try:
        with ranks.telling():
            yield ranks
            ranks.agree()  # up to here, each rank receives the errors of the others
    finally:
        ranks.close()
