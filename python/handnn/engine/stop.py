"""Stopping a training from another thread, or from the fit around it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter, sleep

from handnn import _core

Stop = _core.Stop

YIELD_INTERVAL = 0.02
YIELD_SECONDS = 1e-4
"""The interval at which each of several trainings sleeps to release the GIL, and the duration.

A thread that releases the GIL and reacquires it immediately, as NumPy's indexing does, can starve
the threads that wait for it. While it sleeps, one of them runs.
"""


class Stopped(BaseException):
    """Raised in a training of `train_many` that ends because another failed or was interrupted.

    Like KeyboardInterrupt it is not an Exception, so that user code does not catch it by accident.
    """


class Supervision:
    """The `stop` that ends the trainings of this context, and the `error` that they then raise."""

    def __init__(self, stop: Stop, error: type[BaseException]) -> None:
        self.stop = stop
        self.error = error
        self.last_yield = perf_counter()


_SUPERVISION: ContextVar[Supervision | None] = ContextVar("_SUPERVISION", default=None)


def supervision() -> Supervision | None:
    """Return the supervision of trainings in this context, or None."""
    return _SUPERVISION.get()


@contextmanager
def one_of_many(stop: Stop) -> Iterator[None]:
    """Train on this thread alone, without the thread pool, until `stop` is set.

    Python delivers signals to the main thread only, so trainings elsewhere watch `stop` instead.
    """
    with _supervised(Supervision(stop, Stopped)):
        yield


@contextmanager
def asked_by(stop: Stop | None) -> Iterator[None]:
    """Raise KeyboardInterrupt in trainings of this context once `stop` is set; None undoes it."""
    with _supervised(None if stop is None else Supervision(stop, KeyboardInterrupt)):
        yield


@contextmanager
def _supervised(by: Supervision | None) -> Iterator[None]:
    token = _SUPERVISION.set(by)
    try:
        yield
    finally:
        _SUPERVISION.reset(token)


def check_stop() -> None:
    """Raise the error of this context's supervision if its `stop` is set; else yield the GIL."""
    by = _SUPERVISION.get()
    if by is None:
        return
    if by.stop.is_set:
        raise by.error
    if perf_counter() > by.last_yield + YIELD_INTERVAL:
        sleep(YIELD_SECONDS)
        by.last_yield = perf_counter()
