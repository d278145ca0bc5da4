"""Ctrl-C during a fit: it waits for the end of a step, so that what training changes stays whole.

Python raises KeyboardInterrupt between any two instructions: between the updates of two params, or
after an epoch and before the History has it. So while a fit runs in the main thread, and the signal
has Python's own handler, `_press` takes that one's place.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from handnn import engine


class Interrupts:
    """What Ctrl-C does to one fit: it sets `stop`, and is raised when the fit has come to an end.

    In a callback it is raised at once, unless the fit is to write a checkpoint first (`writes`).
    A second Ctrl-C is always raised at once.
    """

    def __init__(self, writes: bool = False) -> None:
        self.stop = engine.Stop()
        self.writes = writes
        self.outer: Interrupts | None = None
        """That of the fit in a callback of which this one runs."""
        self._is_waiting = False
        self._is_calling = False
        self._hurries = False

    @property
    def is_patient(self) -> bool:
        """Whether Ctrl-C was pressed, once, and is still to be raised."""
        return self.stop.is_set and not self._hurries

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let Ctrl-C set `stop`, and raise KeyboardInterrupt in the end if it did."""
        global _innermost
        from threading import current_thread, main_thread

        usual, handler = signal.default_int_handler, signal.getsignal(signal.SIGINT)
        if handler not in (usual, _press) or current_thread() is not main_thread():
            yield
            return
        self.outer = _innermost if handler is _press else None
        try:
            _innermost = self
            if self.outer is None:
                signal.signal(signal.SIGINT, _press)
            self._is_waiting = True
            with engine.asked_by(None):  # this fit is asked by its own stop
                yield
        finally:
            try:
                if self.outer is None:
                    signal.signal(signal.SIGINT, usual)
            finally:
                _innermost = self.outer
        if self.stop.is_set:  # only now can none come that nobody looks for
            raise KeyboardInterrupt

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Let callbacks be interrupted, or what they train with `train_step` or `train_many`."""
        if not self._is_waiting:
            yield
            return
        self._is_calling = True
        try:
            if self.writes:
                with engine.asked_by(self.stop):
                    yield
            else:
                yield
        finally:
            self._is_calling = False

    def pressed(self) -> None:
        """Ask this fit and those around it to end, or raise KeyboardInterrupt at once."""
        runs = [self]
        while runs[-1].outer is not None:
            runs.append(runs[-1].outer)
        asked = 0 if self._is_calling else 1
        for place, run in enumerate(runs):  # what runs within a fit that writes has to end, too
            asked = place + 1 if run.writes else asked
        if any(run.stop.is_set for run in runs[:asked]) or not asked:
            for run in runs:
                run._hurries = True
            raise KeyboardInterrupt
        for run in runs[:asked]:
            run.stop.set()


_innermost: Interrupts | None = None


def _press(number: int, frame: FrameType | None) -> None:
    if _innermost is None:
        raise KeyboardInterrupt
    _innermost.pressed()
