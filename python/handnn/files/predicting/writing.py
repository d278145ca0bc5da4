"""Write rows block by block to CSV, TSV or Parquet, as the suffix of the path determines."""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from handnn.storage import replacing

if TYPE_CHECKING:
    from polars import DataFrame

Write = Callable[["DataFrame"], None]


def is_parquet_name(path: str | os.PathLike[str] | None) -> bool:
    """Return whether a path ends with .parquet."""
    return path is not None and os.fspath(path).lower().endswith(".parquet")


def format_rows(frame: DataFrame, *, as_json: bool, has_header: bool, separator: str) -> str:
    """Return rows as lines of CSV or, with `as_json`, as a JSON object for each."""
    if as_json:
        return str(frame.write_ndjson())
    return str(frame.write_csv(include_header=has_header, separator=separator))


@contextmanager
def row_writer(
    path: str | os.PathLike[str] | None, show: Callable[[str], None], *, as_json: bool = False
) -> Iterator[Write]:
    """Yield a function that writes rows to a file or, without a path, calls `show` with them.

    A path that ends with .parquet makes the file Parquet, .tsv separates cells by tabs, and .gz
    compresses. The file is replaced when the block ends without an exception; see
    `storage.replacing`.
    """
    if path is None:
        yield _text_writer(show, as_json, ",")
        return
    name = os.fspath(path).lower()
    with replacing(path) as file:
        if is_parquet_name(path):
            with _parquet_writer(file, path) as write:
                yield write
            return
        separator = "\t" if name.removesuffix(".gz").endswith(".tsv") else ","
        if not name.endswith(".gz"):
            yield _text_writer(lambda text: _put(file, text), as_json, separator)
            return
        with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as compressed:
            yield _text_writer(lambda text: _put(compressed, text), as_json, separator)


def _put(file: IO[bytes] | gzip.GzipFile, text: str) -> None:
    file.write(text.encode())


def _text_writer(put: Callable[[str], None], as_json: bool, separator: str) -> Write:
    is_first = True

    def write(frame: DataFrame) -> None:
        nonlocal is_first
        put(format_rows(frame, as_json=as_json, has_header=is_first, separator=separator))
        is_first = False

    return write


@contextmanager
def _parquet_writer(file: IO[bytes], path: str | os.PathLike[str]) -> Iterator[Write]:
    """Yield a function that keeps blocks in temporary files, which form `file` at the end.

    path: the final path of `file`; the temporary files are in the same folder.
    """
    import polars as pl

    folder = os.path.dirname(os.path.realpath(path))
    with tempfile.TemporaryDirectory(prefix=".handnn-", dir=folder) as temporary:
        parts: list[str] = []

        def write(frame: DataFrame) -> None:
            parts.append(os.path.join(temporary, f"{len(parts)}.arrow"))
            with _naming(path):
                frame.write_ipc(parts[-1])

        yield write
        with _naming(path):
            pl.scan_ipc(parts).sink_parquet(file.name)


@contextmanager
def _naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Add the name of the file to an OSError, which polars omits."""
    try:
        yield
    except OSError as error:
        raise OSError(f"{os.fspath(path)}: {error}") from None
