"""A Parquet file in blocks of rows like those of `CsvFile`, but with types."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from handnn.files.errors import TableError
from handnn.files.reading.block import Block
from handnn.files.reading.cells import select
from handnn.files.reading.input_file import InputFile

BLOCK_CELLS = 2**19
"""The approximate number of cells in a block."""


class ParquetFile:
    """A Parquet file whose schema has been read; polars reads the rest by its path.

    Cells have the types of the file, and names are as in the file, also empty ones.

    Raises TableError when the file is damaged.
    """

    place = "row"
    is_typed = True
    decimal = "."

    def __init__(self, file: InputFile) -> None:
        import polars as pl

        self.path = file.path
        with _polars_errors(self.path):
            self._lazy = pl.scan_parquet(file.local_path, glob=False)
            self.names = self._lazy.collect_schema().names()
            self._n_rows = int(self._lazy.select(pl.len()).collect().item())

    def close(self) -> None:
        """Do nothing; polars opens and closes the file itself."""

    def blocks(
        self, size: int = BLOCK_CELLS, names: Sequence[str] | None = None
    ) -> Iterator[Block]:
        """Yield the rows in blocks of about `size` cells; names: of the columns, by default all."""
        import polars.selectors as cs

        places = {name: place for place, name in enumerate(self.names)}
        chosen = self.names if names is None else names
        columns = cs.by_index(*(places[name] for name in chosen))
        n_rows = max(1, size // max(1, len(chosen)))
        for first in range(0, self._n_rows, n_rows):
            with _polars_errors(self.path):
                frame = self._lazy.select(columns).slice(first, n_rows).collect()
            yield Block(select(frame, chosen), np.arange(first + 1, first + len(frame) + 1))


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
