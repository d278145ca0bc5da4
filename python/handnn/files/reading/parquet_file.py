"""A Parquet file as blocks of rows: what CSV files are, but with types."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from handnn.files.reading.csv_file import Block
from handnn.files.reading.dialect import check_names
from handnn.files.reading.text import TableError

if TYPE_CHECKING:
    from polars import DataFrame

CELLS = 2**19
"""Cells of a block, about."""


class ParquetFile:
    """A Parquet file, opened as far as its schema.

    Numbers are as they are, text and categories are text, bools the texts "true" and "false".
    Raises TableError when it is damaged, or a column holds dates, lists or the like.
    """

    place = "row"
    is_typed = True
    decimal = "."

    def __init__(self, path: str) -> None:
        import polars as pl

        self.path = path
        with told(path):
            self._lazy = pl.scan_parquet(path, glob=False)
            schema = self._lazy.collect_schema()
            self.n_rows = int(self._lazy.select(pl.len()).collect().item())
        self.names = check_names(list(schema), path)
        self._casts: list[Any] = []
        for name, kind in schema.items():
            column = pl.col(name)
            if kind.is_numeric():
                whole = kind.is_integer() and kind not in (pl.UInt64, pl.Int128)
                column = column.cast(pl.Int64 if whole else pl.Float64)
            elif kind in (pl.Categorical, pl.Enum, pl.Boolean, pl.Null):
                column = column.cast(pl.String)
            elif kind != pl.String:
                raise TableError(
                    f"{path}: column {name!r} holds {kind}; make it numbers or text, as the days "
                    "since a date, or leave it out with --ignore"
                )
            self._casts.append(column)

    def blocks(self, size: int = CELLS) -> Iterator[Block]:
        """Yield the rows in blocks of about `size` cells."""
        import polars as pl

        count = max(1, size // len(self.names))
        for first in range(0, self.n_rows, count):
            with told(self.path):
                frame: DataFrame = self._lazy.slice(first, count).select(self._casts).collect()
            frame = frame.with_columns(pl.col(pl.String).str.strip_chars())
            frame = frame.with_columns(pl.col(pl.Float64).fill_nan(None))
            empty = pl.col(pl.String)
            frame = frame.with_columns(pl.when(empty != "").then(empty))
            yield Block(frame, np.arange(first + 1, first + len(frame) + 1))


@contextmanager
def told(path: str) -> Iterator[None]:
    """Make of whatever polars raises for a damaged file a TableError.

    Some damage makes it panic, which is no Exception and writes to the process's stderr; what is
    written there meanwhile is shown unless it was that.
    """
    import polars as pl

    with set_aside_stderr() as is_shown:
        try:
            yield
        except (pl.exceptions.PolarsError, OSError, OverflowError) as error:
            words = str(error).split("\n", 1)[0]
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
            is_shown.clear()
            words = "its parts do not fit together"
        else:
            return
    raise TableError(f"{path} is no Parquet file that can be read: {words:.200}") from None


@contextmanager
def set_aside_stderr() -> Iterator[list[bool]]:
    """Keep what is written to the process's stderr, and write it there at the end.

    Yields a list; when it is empty at the end, what was kept is dropped.
    """
    is_shown = [True]
    try:
        usual = os.dup(2)
    except OSError:  # there is none
        yield is_shown
        return
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield is_shown
        finally:
            os.dup2(usual, 2)
            os.close(usual)
            kept.seek(0)
            if is_shown and (words := kept.read()):
                os.write(2, words)
