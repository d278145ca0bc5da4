"""Stripes: the blocks of a file, distributed among the ranks that train together.

Each rank reads the blocks of its own stripes. Facts about the columns are collected from each
stripe and merged in their order, and rows are used in rounds: the first block of each stripe, the
second of each, and so on. So both depend only on the number of stripes, not on the ranks that read
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain
from typing import TypeVar

from handnn.files.reading.block import Block, Deal
from handnn.training.distributed.ranks import Ranks
from handnn.training.distributed.sharding import Sharding
from handnn.training.interrupts import Interrupts

Result = TypeVar("Result")


class Stripes:
    """The stripes of a file, and the ranks that share them.

    n: the number of stripes. ranks: None for this process alone. sharding: of the batches, which
    have as many slices.
    """

    def __init__(self, n: int = 1, ranks: Ranks | None = None) -> None:
        self.n = n
        self.sharding = Sharding(n) if ranks is None else ranks.sharding
        self._ranks = ranks
        own = (0, n) if ranks is None else ranks.sharding.slices_of(ranks.rank)
        self.deal = Deal(n, range(*own))

    def results(self, blocks: Iterator[Block], work: Callable[[Block], Result]) -> Iterator[Result]:
        """Yield work(block) for every block of the file, in the order of their turns, in all ranks.

        blocks: those that this rank takes. After each round, ranks exchange the results. An error
        of one rank raises RankError in the others.
        """
        if self._ranks is None:
            yield from map(work, blocks)
            return
        block, number, is_over = None, 0, False
        while not is_over:
            done: list[tuple[tuple[int, int], Result]] = []
            with self._ranks.telling():
                block = next(blocks, None) if block is None else block
                while block is not None and block.turn[0] == number:
                    done.append((block.turn, work(block)))
                    block = next(blocks, None)
            every = self._ranks.gather((block is None, done))
            is_over = all(has_ended for has_ended, _ in every)
            for _, result in sorted(chain(*(part for _, part in every)), key=lambda one: one[0]):
                yield result
            number += 1

    def stopped_together(self, work: Callable[[], Result]) -> Result:
        """Return ``work()``; Ctrl-C and SIGTERM of one rank end it in all of them.

        They raise KeyboardInterrupt in all ranks, at the same exchange or after the same step.
        """
        if self._ranks is None:
            return work()
        interrupts = Interrupts(writes=True)  # waits for the fits in `work`
        interrupts.with_sigterm = True
        return interrupts.during(work)

    def merged(self, parts: list[Result]) -> list[Result]:
        """Return one object per stripe, in order; parts: the objects of this rank's stripes."""
        return parts if self._ranks is None else [*chain(*self._ranks.gather(parts))]

    def telling(self) -> AbstractContextManager[None]:
        """Report an error in the body to all ranks, which receive it in their next exchange."""
        return nullcontext() if self._ranks is None else self._ranks.telling()

    def check_same(self, name: str, thing: object) -> None:
        """Raise ValueError in all ranks unless all have the same object."""
        if self._ranks is not None:
            self._ranks.check_same({name: thing}, "train_file")


ONE_STRIPE = Stripes()
"""All blocks, read by this process alone."""


@contextmanager
def stripes_of(sharding: Sharding) -> Iterator[Stripes]:
    """Yield as many stripes as a batch has slices; see `Trainer`."""
    ranks = None if sharding.n_ranks == 1 else Ranks(sharding)
    try:
        yield Stripes(sharding.shards, ranks)
    finally:
        if ranks is not None:
            ranks.close()
