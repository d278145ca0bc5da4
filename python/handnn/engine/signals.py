"""Signal handlers that wait until a step, or a save, is complete.

Python runs the handlers of signals in the main thread, between any two instructions. A handler that
raises, such as Python's own handler of Ctrl-C, could thus end a step between the updates of two
params, or a save before its temporary file is removed. So while `held` runs a function, another
handler replaces all that are written in Python: it records the signal, and the original handler
runs at the next safe point: `run_waiting`, a context in which `state.is_held` is False, or the end.
"""

from __future__ import annotations

import signal
import sys
from _thread import get_ident
from collections.abc import Callable, Sequence
from time import perf_counter
from types import FrameType
from typing import TypeVar, cast

from handnn import _core

Result = TypeVar("Result")

MAX_WAIT = 10.0
"""For this many seconds signals wait for a safe point; a later one is handled immediately."""


def _nothing() -> None:
    pass


class State:
    """The state of signal handling in the main thread."""

    def __init__(self) -> None:
        self.is_held = False
        """Whether signals wait. Code that sets it must reset it without a call in between."""
        self.is_installed = False
        self.handlers: dict[int, Callable[[int, FrameType | None], object]] = {}
        self.waiting: dict[int, None] = {}
        self.since = 0.0
        self.pause: Callable[[], None] = _nothing
        """Called when a signal begins to wait, to end a call that runs no Python code."""
        self.press: Callable[[], None] | None = None
        """Replaces Python's own handler of SIGINT, also while signals wait."""


state = State()


def is_main_thread() -> bool:
    """Return whether this is the thread that handles signals."""
    import threading  # takes 1.6 ms the first time

    return get_ident() == threading.main_thread().ident


def held(function: Callable[[], Result], as_sigint: Sequence[int] = ()) -> Result:
    """Return ``function()``, called while signals wait for safe points.

    The signals `as_sigint` are handled as SIGINT is by Python.
    """
    if not is_main_thread():
        return function()
    if state.is_installed:
        before, state.is_held = state.is_held, True
        try:
            result = function()
        finally:
            state.is_held = before
        if not before:
            run_waiting()
        return result

    def within() -> Result:
        state.is_installed = state.is_held = True
        try:
            return function()
        finally:
            state.is_installed = state.is_held = False

    state.handlers = _core.signal_handlers()
    state.handlers |= dict.fromkeys(as_sigint, signal.default_int_handler)
    if not state.handlers:
        return within()
    return cast(Result, _core.with_handler(list(state.handlers), _handle, state.waiting, within))


def is_waiting() -> bool:
    """Return whether a signal waits for this thread."""
    return bool(state.waiting) and is_main_thread()


def run_waiting() -> None:
    """Run the handlers of the signals that wait: a safe point. They may raise."""
    if not is_waiting():
        return
    before = state.is_held
    for number in list(state.waiting):
        state.waiting.pop(number, None)
        state.is_held = False
        try:
            state.handlers[number](number, sys._getframe(1))
        finally:
            state.is_held = before


def interrupt() -> None:
    """Raise KeyboardInterrupt, at the next safe point if signals wait."""
    if not state.is_held:
        raise KeyboardInterrupt
    _wait(signal.SIGINT, None)


def _handle(number: int, frame: FrameType | None) -> None:
    """Record a signal in place of its handler."""
    handler = state.handlers[number]
    if state.press is not None and handler is signal.default_int_handler:
        state.press()
    elif state.is_held or not state.is_installed:  # false while the handlers are being restored
        _wait(number, frame)
    else:
        handler(number, frame)


def _wait(number: int, frame: FrameType | None) -> None:
    if not state.waiting:
        state.since = perf_counter()
    if perf_counter() - state.since > MAX_WAIT:
        state.handlers[number](number, frame)
    else:
        state.waiting[number] = None
        state.pause()
