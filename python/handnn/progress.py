"""progress_bar: an optional progress bar on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from tqdm import tqdm

    Bar = tqdm[NoReturn] | None


@contextmanager
def progress_bar(
    *, shows: bool, total: int, unit: str, done: int = 0, scales: bool = False
) -> Iterator[Bar]:
    """Yield a bar of `total` units, `done` of them completed, or None unless `shows`.

    unit: the name of a unit. scales: whether to write 1.2M for 1,200,000.

    A disabled tqdm bar is not used instead, because it takes a lock that a process shares with its
    forks: if a fork is killed while it holds the lock, every later bar hangs.
    """
    if not shows:
        yield None
        return
    from tqdm import tqdm

    with tqdm(total=total, initial=done, unit=unit, unit_scale=scales) as bar:
        yield bar
