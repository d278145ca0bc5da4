"""A process that reads Parquet and Excel files for another one.

A damaged file can end the process that reads it: polars aborts when a page asks for more memory
than there is, which Python cannot catch. `parquet_process` therefore starts this script, which
imports nothing of handnn.

A request is a line of JSON on stdin, [path, state, places, first, n_rows]; see `read_rows`. The
answer on stdout is a line of JSON, and after {"bytes": n} as many bytes in Arrow's IPC format.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polars import DataFrame, LazyFrame


KNOWN_ERRORS = OSError | OverflowError | MemoryError | ValueError


@lru_cache(maxsize=1)
def scan(path: str, state: object) -> tuple[LazyFrame, list[str], int]:
    """Return a file, the names of its columns and its number of rows.

    state: changes when the file does, so that the cache opens it again.
    """
    import polars as pl

    with open(path, "rb") as file:
        data = file.read() if file.read(2) == b"PK" else b""
    lazy = pl.read_excel(b"PK" + data).lazy() if data else pl.scan_parquet(path, glob=False)
    names = lazy.collect_schema().names()
    return lazy, names, int(lazy.select(pl.len()).collect().item())


def read_rows(
    path: str, state: object, places: Sequence[int], first: int, n_rows: int
) -> DataFrame:
    """Return `n_rows` rows of the columns at these places; the file must have that many."""
    import polars.selectors as cs

    lazy, _, _ = scan(path, state)
    return lazy.select(cs.by_index(*places)).slice(first, n_rows).collect()


def reason_of(error: BaseException) -> str:
    """Return one line on why a file cannot be read; raise errors that are not about the file."""
    import polars as pl

    is_of_reader = type(error).__module__.startswith("fastexcel")
    if is_of_reader or isinstance(error, KNOWN_ERRORS | pl.exceptions.PolarsError):
        return (str(error) or type(error).__name__).split("\n", 1)[0]
    if type(error).__name__ == "PanicException":  # polars raises it; not an Exception
        return "its parts contradict each other"
    raise error


def _limit_memory() -> None:
    """Allow no more memory than the machine has, and let the kernel end this process first."""
    with contextlib.suppress(ImportError, OSError, ValueError, AttributeError):
        import resource

        n_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (n_bytes, n_bytes))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")


def serve() -> None:
    """Answer requests until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asks is interrupted
    _limit_memory()
    out = sys.stdout.buffer
    for line in sys.stdin.buffer:
        path, state, *more = json.loads(line)
        data = b""
        try:
            if more:
                file = io.BytesIO()
                read_rows(path, tuple(state), *more).write_ipc(file)
                data = file.getvalue()
                answer: dict[str, object] = {"bytes": len(data)}
            else:
                _, names, n_rows = scan(path, tuple(state))
                answer = {"names": names, "n_rows": n_rows}
        except BaseException as error:
            answer = {"reason": reason_of(error)}
        out.write(json.dumps(answer).encode() + b"\n")
        out.write(data)
        out.flush()


if __name__ == "__main__":
    serve()
