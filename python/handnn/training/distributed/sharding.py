"""Sharding: the number of slices of a batch, and the ranks that compute them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, SupportsIndex

from handnn.arrays import positive_number, whole_number
from handnn.layers import BatchNorm, Brick, is_ours
from handnn.layers.layer import Layer

SHARDS = 16
"""The number of slices with a communicator, unless the user chooses another."""

MAX_SHARDS = 65_536
"""The largest number of slices: each costs a copy of the gradients' sums, and a call."""

DEADLINE = 60.0
"""The default time in seconds that ranks wait for each other."""


@dataclass(frozen=True)
class Sharding:
    """The number of slices of a batch, and the communicator of the ranks that share them."""

    shards: int = 1
    comm: Any = None
    """An mpi4py communicator, or None for this process alone."""
    deadline: float = DEADLINE

    @classmethod
    def of(cls, comm: object, shards: SupportsIndex | None, deadline: float) -> Sharding:
        """Return the sharding for the arguments of a Trainer, checked."""
        if comm is None and type(shards) is int and shards == 1 and deadline is DEADLINE:
            return ONE_SLICE  # without the checks, which are noticeable in `train_step`
        if comm is not None and not hasattr(comm, "Iallgather"):
            raise TypeError(
                f"Trainer: comm must be a communicator such as MPI.COMM_WORLD, but is {comm!r:.50}"
            )
        if shards is None:
            shards = 1 if comm is None else SHARDS
        count = whole_number(shards, "Trainer: shards", maximum=MAX_SHARDS)
        found = cls(count, comm, positive_number(deadline, "Trainer: deadline"))
        if found.n_ranks > count:
            raise ValueError(
                f"Trainer: {count} shards cannot be shared by {found.n_ranks} ranks; choose more "
                "shards, which gives other bits, or start fewer ranks"
            )
        return found

    @property
    def is_whole(self) -> bool:
        """Whether a batch is one slice, which this process computes alone."""
        return self.shards == 1 and self.n_ranks == 1

    @property
    def n_ranks(self) -> int:
        """The number of ranks."""
        return 1 if self.comm is None else int(self.comm.size)

    @property
    def rank(self) -> int:
        """The number of this rank, from 0."""
        return 0 if self.comm is None else int(self.comm.rank)

    def slices_of(self, rank: int) -> tuple[int, int]:
        """Return the slices of a rank, [first, last)."""
        return rank * self.shards // self.n_ranks, (rank + 1) * self.shards // self.n_ranks

    def check(self, layers: list[Brick]) -> None:
        """Raise ValueError if a layer needs all rows of a batch at once and cannot be cut."""
        if self.shards > 1:
            self._check_norms(layers, "", True)

    def _check_norms(self, layers: Sequence[Brick], prefix: str, are_ours: bool) -> None:
        """Check that each BatchNorm, and every brick that contains it, is handnn's own."""
        for index, layer in enumerate(layers):
            if isinstance(layer, BatchNorm) and not (are_ours and is_ours(layer)):
                what = "a" if is_ours(layer) else "a subclass of"
                where = "" if are_ours else " in a brick of your own"
                raise ValueError(
                    f"Trainer.fit: layer {prefix}{index} is {what} BatchNorm{where}, whose "
                    f"statistics are not known for {self.shards} shards; use handnn's own, or "
                    "shards=1"
                )
            if isinstance(layer, Layer) and layer.block:
                self._check_norms(layer.block, f"{prefix}{index}.", are_ours and is_ours(layer))


ONE_SLICE = Sharding()
"""Batches are not cut, and there is one process."""
