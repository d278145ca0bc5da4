"""Log the elapsed time of a long training that shows no progress bar."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import perf_counter

from handnn.files.learning.settings import Log

FIRST_SECONDS, MAX_SECONDS = 30.0, 600.0
"""The time until the first line, and the longest time between two lines."""


@contextmanager
def heartbeat(
    log: Log, text: str, *, shows: bool = True, first_seconds: float = FIRST_SECONDS
) -> Iterator[None]:
    """Log `text` and the seconds since the start, from another thread: after 30 s, 90 s, 210 s ...

    shows: whether to log anything.
    """
    if not shows:
        yield
        return
    began, ended = perf_counter(), Event()

    def beat() -> None:
        seconds = first_seconds
        while not ended.wait(seconds):
            log(f"{text}, {perf_counter() - began:.0f} s so far")
            seconds = min(2 * seconds, MAX_SECONDS)

    thread = Thread(target=beat, name="handnn-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
