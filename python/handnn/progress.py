"""Progress: a bar on stderr, or none."""

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
    """Yield a bar of `total` units, of which so many are done, or None.

    scales: whether to write 1.2M for 1,200,000.

    None is not a bar that tqdm hides: that one, too, takes a lock which a process shares with its
    forks, and of which nobody gets hold any more once one of them was killed with it.
    """
    if not shows:
        yield None
        return
    from tqdm import tqdm

    with tqdm(total=total, initial=done, unit=unit, unit_scale=scales) as bar:
        yield bar
