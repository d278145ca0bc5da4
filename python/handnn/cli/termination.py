"""SIGTERM and SIGHUP end a command as Ctrl-C does: temporary files are removed first."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from handnn.engine.signals import is_main_thread

NUMBERS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class _Terminated(BaseException):
    """Raised when the signal arrives; not an Exception, so that it is not caught by accident."""


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Within the block, unwind the stack at SIGTERM or SIGHUP, then let the signal end the process.

    A signal that already has a handler, or is ignored as under nohup, is left alone.
    """
    received: list[int] = []

    def terminate(number: int, frame: FrameType | None) -> None:
        received.append(number)
        raise _Terminated

    numbers = [n for n in NUMBERS if signal.getsignal(n) is signal.SIG_DFL]
    if not is_main_thread():
        numbers = []
    try:
        for number in numbers:
            signal.signal(number, terminate)
        yield
    except _Terminated:
        pass
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)
        if received:
            signal.raise_signal(received[0])
