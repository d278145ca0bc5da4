"""Writing rows block by block: CSV, TSV or Parquet, packed or not, as the name of the file says."""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from handnn.storage import replacing

if TYPE_CHECKING:
    from polars import DataFrame

Write = Callable[["DataFrame"], None]


def is_parquet_name(path: str | os.PathLike[str] | None) -> bool:
    """Return whether a file of this name is to be Parquet."""
    return path is not None and os.fspath(path).lower().endswith(".parquet")


def text_of(frame: DataFrame, *, as_json: bool, has_header: bool, separator: str = ",") -> str:
    """Return rows as lines of CSV, or each as a JSON object."""
    if as_json:
        return str(frame.write_ndjson())
    return str(frame.write_csv(include_header=has_header, separator=separator))


@contextmanager
def rows_written(
    path: str | os.PathLike[str] | None, show: Callable[[str], None], *, as_json: bool = False
) -> Iterator[Write]:
    """Give a function that writes rows to a file, or with `show` if there is none.

    A name that ends with .parquet makes it Parquet, with .tsv cells divided by tabs; .gz behind
    that packs it. See `storage.replacing` for what happens to the file when something goes wrong.
    """
    if path is None:
        yield _as_text(show, as_json, ",")
        return
    name = os.fspath(path).lower()
    with replacing(path) as file:
        if is_parquet_name(path):
            with _as_parquet(file, path) as write:
                yield write
            return
        separator = "\t" if name.removesuffix(".gz").endswith(".tsv") else ","
        if not name.endswith(".gz"):
            yield _as_text(lambda text: _put(file, text), as_json, separator)
            return
        with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
            yield _as_text(lambda text: _put(packed, text), as_json, separator)


def _put(file: Any, text: str) -> None:
    file.write(text.encode())


def _as_text(put: Callable[[str], None], as_json: bool, separator: str) -> Write:
    is_first = True

    def write(frame: DataFrame) -> None:
        nonlocal is_first
        put(text_of(frame, as_json=as_json, has_header=is_first, separator=separator))
        is_first = False

    return write


@contextmanager
def _as_parquet(file: IO[bytes], path: str | os.PathLike[str]) -> Iterator[Write]:
    """Give a function that keeps blocks beside `file`; at the end they are written to it.

    `path` is the name that `file` will take.
    """
    import polars as pl

    folder = os.path.dirname(os.path.realpath(path))
    with tempfile.TemporaryDirectory(prefix=".handnn-", dir=folder) as parts:
        paths: list[str] = []

        def write(frame: DataFrame) -> None:
            paths.append(os.path.join(parts, f"{len(paths)}.arrow"))
            with _named(path):
                frame.write_ipc(paths[-1])

        yield write
        with _named(path):
            pl.scan_ipc(paths).sink_parquet(file.name)


@contextmanager
def _named(path: str | os.PathLike[str]) -> Iterator[None]:
    """Say of which file an OSError is, which polars does not."""
    try:
        yield
    except OSError as error:
        raise OSError(f"{os.fspath(path)}: {error}") from None
