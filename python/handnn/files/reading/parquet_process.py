"""Read Parquet and Excel files in another process, since a damaged file may end it.

The other process runs `parquet_server`.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

from handnn.files.reading import parquet_server

if TYPE_CHECKING:
    from polars import DataFrame

State = tuple[int, ...]
"""Numbers that change when the file does."""


class UnreadableError(Exception):
    """A file cannot be read; the message is the reason."""


class _Reader:
    """The process that reads, started when it is needed, and again after it has ended."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._parent = 0

    def ask(self, *request: object) -> tuple[dict[str, Any], bytes]:
        """Return the answer to a request, and the bytes after it; UnreadableError if it fails."""
        with self._lock:
            process = self._started()
            try:
                answer, data = _exchanged(process, request)
            except BaseException:  # the pipe may hold an unread answer
                self._end()
                raise
        if "reason" in answer:
            raise UnreadableError(answer["reason"])
        return answer, data

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._parent != os.getpid():  # it is the parent's after a fork
            self._parent = os.getpid()
            self._process = subprocess.Popen(
                [sys.executable, "-P", parquet_server.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and self._parent == os.getpid():
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):  # from flushing a broken pipe
                    if stream is not None:
                        stream.close()


def _exchanged(
    process: subprocess.Popen[bytes], request: Sequence[object]
) -> tuple[dict[str, Any], bytes]:
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
        line = process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line.endswith(b"\n") else {}
        data = process.stdout.read(answer.get("bytes", 0))
    except BrokenPipeError:
        answer, data = {}, b""
    if not answer or len(data) != answer.get("bytes", 0):
        raise UnreadableError("reading it ends the process, so it is damaged or too large")
    return answer, data


_reader = _Reader()
atexit.register(_reader.close)


def read_header(path: str, state: State) -> tuple[list[str], int]:
    """Return the names of the columns and the number of rows; UnreadableError if it is damaged."""
    answer, _ = _reader.ask(path, state)
    return list(map(str, answer["names"])), int(answer["n_rows"])


def read_rows(path: str, state: State, places: Sequence[int], first: int, n_rows: int) -> DataFrame:
    """Return some rows of some columns; see `parquet_server.read_rows`."""
    import polars as pl

    _, data = _reader.ask(path, state, list(places), first, n_rows)
    return pl.read_ipc(io.BytesIO(data))
