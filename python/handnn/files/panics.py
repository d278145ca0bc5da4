"""Panics of polars: its Rust code met a value that it cannot handle."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from handnn.files.errors import TableError


@contextmanager
def panics_as(problem: str) -> Iterator[None]:
    """Convert a panic of polars, such as for a date in the year 300,000, to a TableError.

    A panic is not an Exception, and writes to the stderr of the process. Output to stderr is
    therefore deferred, and dropped after a panic.
    """
    with _deferred_stderr() as shown:
        try:
            yield
            return
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
            shown.clear()
    raise TableError(problem)


@contextmanager
def _deferred_stderr() -> Iterator[list[bool]]:
    """Collect the output to the stderr of the process, and write it at the end.

    Yields a list; if the caller clears it, the output is dropped.
    """
    shown = [True]
    try:
        stderr = os.dup(2)
    except OSError:  # the process has no stderr
        yield shown
        return
    with tempfile.TemporaryFile() as collected:
        os.dup2(collected.fileno(), 2)
        try:
            yield shown
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            collected.seek(0)
            if shown and (text := collected.read()):
                os.write(2, text)
