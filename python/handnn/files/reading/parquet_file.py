"""A Parquet file in blocks of rows like those of `CsvFile`, but with types."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from handnn.files.errors import TableError
from handnn.files.reading.block import Block
from handnn.files.reading.dialect import check_names
from handnn.files.reading.input_file import InputFile

if TYPE_CHECKING:
    import polars as pl

BLOCK_CELLS = 2**19
"""The approximate number of cells in a block."""


class ParquetFile:
    """A Parquet file whose schema has been read; polars reads the rest by its path.

    Numbers stay numbers, text and categories are text, bools are the texts "true" and "false". Text
    is stripped of white space; empty text and NaN are None.

    Raises TableError when the file is damaged, or when a column has another type, such as a date or
    a list.
    """

    place = "row"
    is_typed = True
    decimal = "."

    def __init__(self, file: InputFile) -> None:
        import polars as pl

        self.path = file.path
        with _polars_errors(self.path):
            self._lazy = pl.scan_parquet(self.path, glob=False)
            schema = self._lazy.collect_schema()
            self._n_rows = int(self._lazy.select(pl.len()).collect().item())
        self.names = check_names(list(schema), self.path)
        self._columns = [self._column(name, dtype) for name, dtype in schema.items()]

    def close(self) -> None:
        """Do nothing; polars opens and closes the file itself."""

    def blocks(self, size: int = BLOCK_CELLS) -> Iterator[Block]:
        """Yield the rows in blocks of about `size` cells."""
        import polars as pl

        n_rows = max(1, size // len(self.names))
        for first in range(0, self._n_rows, n_rows):
            with _polars_errors(self.path):
                frame = self._lazy.slice(first, n_rows).select(self._columns).collect()
            text = pl.col(pl.String)
            frame = frame.with_columns(text.str.strip_chars())
            frame = frame.with_columns(pl.col(pl.Float64).fill_nan(None))
            frame = frame.with_columns(pl.when(text != "").then(text))
            yield Block(frame, np.arange(first + 1, first + len(frame) + 1))

    def _column(self, name: str, dtype: pl.DataType) -> pl.Expr:
        """Return the column as Int64, Float64 or String."""
        import polars as pl

        column = pl.col(name)
        if dtype.is_numeric():
            fits = dtype.is_integer() and dtype not in (pl.UInt64, pl.Int128)
            return column.cast(pl.Int64 if fits else pl.Float64)
        if dtype in (pl.Categorical, pl.Enum, pl.Boolean, pl.Null):
            return column.cast(pl.String)
        if dtype == pl.String:
            return column
        raise TableError(
            f"{self.path}: column {name!r} has the type {dtype}; convert it to numbers, such as "
            "days since a date, or to text, or remove it"
        )


@contextmanager
def _polars_errors(path: str) -> Iterator[None]:
    """Convert an error of polars about a damaged file to a TableError.

    Some damage makes polars panic, which is not an Exception and writes to the stderr of the
    process. Output to stderr is therefore deferred, and dropped after a panic.
    """
    import polars as pl

    with _deferred_stderr() as shown:
        try:
            yield
        except (pl.exceptions.PolarsError, OSError, OverflowError) as error:
            reason = str(error).split("\n", 1)[0]
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
            shown.clear()
            reason = "its parts contradict each other"
        else:
            return
    raise TableError(f"{path} is not a Parquet file that can be read: {reason:.200}") from None


@contextmanager
def _deferred_stderr() -> Iterator[list[bool]]:
    """Collect the output to the stderr of the process, and write it at the end.

    Yields a list; if the caller clears it, the output is dropped.
    """
    shown = [True]
    try:
        stderr = os.dup(2)
    except OSError:  # the process has none
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
