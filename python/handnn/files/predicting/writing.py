"""Write rows block by block to CSV, TSV or Parquet, as the suffix of the path determines."""

from __future__ import annotations

import gzip
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from handnn.files.panics import panics_as
from handnn.storage import replacing

if TYPE_CHECKING:
    from polars import DataFrame

Write = Callable[["DataFrame"], None]


def is_parquet_name(path: str | os.PathLike[str] | None) -> bool:
    """Return whether a path ends with .parquet."""
    return path is not None and os.fspath(path).lower().endswith(".parquet")


def format_rows(frame: DataFrame, *, as_json: bool, has_header: bool, separator: str) -> str:
    """Return rows as lines of CSV or, with `as_json`, as a JSON object for each.

    In CSV, lists and structs are written as JSON. Raises TableError for values that cannot be
    written as text.
    """
    with panics_as("the rows have values that cannot be written, such as dates out of range"):
        return _formatted(frame, as_json=as_json, has_header=has_header, separator=separator)


def _formatted(frame: DataFrame, *, as_json: bool, has_header: bool, separator: str) -> str:
    import polars as pl

    if as_json:
        return str(frame.write_ndjson())
    if any(dtype.is_nested() or dtype == pl.Binary for dtype in frame.dtypes):
        frame = _with_texts(frame)
    return str(frame.write_csv(include_header=has_header, separator=separator))


def _with_texts(frame: DataFrame) -> DataFrame:
    """Return a frame with strings in place of lists, structs and bytes."""
    import polars as pl

    columns = []
    for column in frame.get_columns():
        if column.dtype.is_nested() or column.dtype == pl.Binary:
            texts = [None if v is None else json.dumps(v, default=str) for v in column.to_list()]
            column = pl.Series(column.name, texts, pl.String)
        columns.append(column)
    return pl.DataFrame(columns)


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
