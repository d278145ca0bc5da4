"""Ctrl-C during a fit waits for the end of a step, so that everything a step changes is consistent.

Every signal handler waits for safe points (see `handnn.engine.signals`): the end of a step or of an
epoch, and callbacks. Python's own handler of SIGINT is replaced by `Interrupts.pressed`.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TypeVar

from handnn import engine
from handnn.engine import signals

Result = TypeVar("Result")


class Interrupts:
    """Let Ctrl-C set the `stop` of one fit, and raise KeyboardInterrupt when the fit has ended.

    In a callback it is raised immediately, unless the fit writes a checkpoint first (`writes`). A
    second Ctrl-C is raised at the end of the step.
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

    def during(self, fit: Callable[[], Result]) -> Result:
        """Return ``fit()``; Ctrl-C sets `stop`, and raises KeyboardInterrupt at the end.

        Outside the main thread, or with a handler of SIGINT that is not Python's own, Ctrl-C is not
        handled here.
        """
        if not signals.is_main_thread():
            return fit()

        def waiting() -> Result:
            global _innermost
            if signals.state.handlers.get(signal.SIGINT) is not signal.default_int_handler:
                return fit()
            self.outer, before = _innermost, signals.state.press
            try:
                _innermost, signals.state.press = self, self.pressed
                self._is_waiting = True
                if self.with_sigterm and self.outer is not None and self.outer.stop.is_set:
                    self.stop.set()  # asked since `is_asked` was exchanged
                with engine.asked_by(None):  # replaced by this fit's own stop
                    return fit()
            finally:
                _innermost, signals.state.press = self.outer, before

        result = signals.held(waiting, (signal.SIGTERM,) if self.with_sigterm else ())
        if self.stop.is_set:  # checked last: from here on, Python's handler raises
            raise KeyboardInterrupt
        return result

    def calling(self, callbacks: Callable[[], Result]) -> Result:
        """Return ``callbacks()``, which signals interrupt, or the trainings that they run."""
        if not signals.is_main_thread():
            return callbacks()
        signals.run_waiting()
        before = signals.state.is_held
        try:
            signals.state.is_held, self._is_calling = False, self._is_waiting
            if self._is_waiting and self.writes:
                with engine.asked_by(self.stop):
                    return callbacks()
            return callbacks()
        finally:
            signals.state.is_held, self._is_calling = before, False

    def pressed(self) -> None:
        """Stop this fit and the fits around it; the second time, raise KeyboardInterrupt."""
        runs = [self]
        while runs[-1].outer is not None:
            runs.append(runs[-1].outer)
        asked = 0 if self._is_calling else 1
        for place, run in enumerate(runs):  # a fit that writes waits for the fits in its callbacks
            asked = place + 1 if run.writes else asked
        if any(run.stop.is_set for run in runs[:asked]) or not asked:
            for run in runs:
                run._hurries = True
            signals.interrupt()
        for run in runs[:asked]:
            run.stop.set()


def is_asked() -> bool:
    """Return whether the innermost fit or work of `Interrupts` was asked to stop."""
    return _innermost is not None and _innermost.stop.is_set


_innermost: Interrupts | None = None
