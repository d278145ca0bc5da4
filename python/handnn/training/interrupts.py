"""Ctrl-C during a fit waits for the end of a step, so that everything a step changes is consistent.

Python may raise KeyboardInterrupt between any two instructions: between the updates of two params,
or after an epoch but before it is added to the History. So while a fit runs in the main thread, and
SIGINT has Python's own handler, `_press` replaces that handler.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from handnn import engine


class Interrupts:
    """Make Ctrl-C set the `stop` of one fit, and raise KeyboardInterrupt when the fit has ended.

    In a callback it is raised immediately, unless the fit writes a checkpoint first (`writes`). A
    second Ctrl-C is always raised immediately.
    """

    def __init__(self, writes: bool = False) -> None:
        self.stop = engine.Stop()
        self.writes = writes
        self.with_sigterm = False
        """Whether SIGTERM is treated like Ctrl-C, so that all ranks stop at the same step."""
        self.outer: Interrupts | None = None
        """The Interrupts of the fit that runs this one in a callback."""
        self._is_waiting = False
        self._is_calling = False
        self._hurries = False

    @property
    def is_patient(self) -> bool:
        """Whether Ctrl-C was pressed once, and is still to be raised."""
        return self.stop.is_set and not self._hurries

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let Ctrl-C set `stop`; raise KeyboardInterrupt at the end of the context if it did."""
        global _innermost
        from threading import current_thread, main_thread

        before = signal.getsignal(signal.SIGTERM)
        usual, handler = signal.default_int_handler, signal.getsignal(signal.SIGINT)
        if handler not in (usual, _press) or current_thread() is not main_thread():
            yield
            return
        self.outer = _innermost if handler is _press else None
        try:
            _innermost = self
            if self.outer is None:
                signal.signal(signal.SIGINT, _press)
            if self.with_sigterm:
                signal.signal(signal.SIGTERM, _press)
            self._is_waiting = True
            with engine.asked_by(None):  # replaced by this fit's own stop
                yield
        finally:
            try:
                if self.outer is None:
                    signal.signal(signal.SIGINT, usual)
                if self.with_sigterm:
                    signal.signal(signal.SIGTERM, before)
            finally:
                _innermost = self.outer
        if self.stop.is_set:  # checked last: from here on, Python's handler raises
            raise KeyboardInterrupt

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Let Ctrl-C interrupt callbacks, or the trainings that they run."""
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
        """Stop this fit and the fits around it, or raise KeyboardInterrupt immediately."""
        runs = [self]
        while runs[-1].outer is not None:
            runs.append(runs[-1].outer)
        asked = 0 if self._is_calling else 1
        for place, run in enumerate(runs):  # a fit that writes waits for the fits in its callbacks
            asked = place + 1 if run.writes else asked
        if any(run.stop.is_set for run in runs[:asked]) or not asked:
            for run in runs:
                run._hurries = True
            raise KeyboardInterrupt
        for run in runs[:asked]:
            run.stop.set()


_innermost: Interrupts | None = None


def _press(number: int, frame: FrameType | None) -> None:
    """Handle SIGINT in place of Python's handler."""
    if _innermost is None:
        raise KeyboardInterrupt
    _innermost.pressed()
