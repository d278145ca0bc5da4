"""Sources: a table in an open file of any supported format."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from handnn.files.errors import TableError
from handnn.files.reading.block import ALL, Block, Deal
from handnn.files.reading.cells import CellFormat, FileCells, frame_of, plain_numbers
from handnn.files.reading.csv_file import CsvFile
from handnn.files.reading.dialect import SAMPLE_CHARACTERS, Dialect
from handnn.files.reading.excel_file import ExcelFile, is_excel
from handnn.files.reading.input_file import InputFile
from handnn.files.reading.json_lines import JsonLinesFile, is_json_lines
from handnn.files.reading.parquet_file import ParquetFile
from handnn.files.reading.text import TextFile, check_encoding
from handnn.tables.cells import GapWords

if TYPE_CHECKING:
    from polars import DataFrame, Series

LARGE = 256 * 2**20
"""The size in bytes above which text files are streamed by default."""

LARGE_COMPRESSED = 48 * 2**20
"""The size above which Parquet files, and text compressed with gzip, are streamed."""


class Source:
    """A table in an open file. Close it, or use it in a `with` statement.

    Attributes:
        path: the path of the file.
        names: the names of the columns.
        place: what `Block.places` count, "line" or "row".
        is_typed: whether the file has types, so that strings have no dialect.
        format: how its strings are written.
        dialect: the dialect that the caller gave.
    """

    def __init__(self, file: InputFile, dialect: Dialect) -> None:
        self._file = file
        self.dialect = dialect
        self._table = _table_of(file, dialect)
        self.path = file.path
        self.names = self._table.names
        self.place = self._table.place
        self.is_typed = self._table.is_typed
        self.format = CellFormat(self._table.decimal, GapWords(dialect.gap_words))

    @property
    def size(self) -> int:
        """The size of the file in bytes."""
        return self._file.size

    @property
    def is_large(self) -> bool:
        """Whether the table is, by default, read again for each epoch instead of kept in memory."""
        is_compressed = self._file.is_gzip or self._file.is_parquet
        return self._file.size > (LARGE_COMPRESSED if is_compressed else LARGE)

    def blocks(
        self,
        size: int | None = None,
        names: Sequence[str] | None = None,
        deal: Deal = ALL,
    ) -> Iterator[Block]:
        """Yield all rows in blocks; one pass at a time.

        size: characters of a block of text, cells of a block of Parquet. names: of the columns to
        yield, by default all. deal: which of the blocks to yield, and in which order.
        """
        if size is None:
            return self._table.blocks(names=names, deal=deal)
        return self._table.blocks(size, names, deal)

    def numbers(self, frame: DataFrame) -> dict[str, Series]:
        """Return the columns that are numbers by dtype or by a fast check, as Float64."""
        return plain_numbers(frame, self.format)

    def cells(self, column: Series) -> FileCells:
        """Return a column of a block as cells."""
        return FileCells(column.alias("cell"), self.format)  # a name such as ^x$ is a pattern

    def sha256(self) -> tuple[str, int]:
        """Return the SHA-256 of the file, and its size in bytes; see `open_table`."""
        return self._file.sha256()

    def check_unchanged(self) -> None:
        """Raise TableError when the file has changed since it was opened."""
        self._file.check_unchanged()

    def close(self) -> None:
        """Close the file; further calls have no effect."""
        if not self._file.buffer.closed:
            self._table.close()
            self._file.close()

    def __enter__(self) -> Source:
        """Return the source itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()


def _table_of(file: InputFile, dialect: Dialect) -> CsvFile | JsonLinesFile | ParquetFile:
    if file.is_parquet:
        return ParquetFile(file)
    if is_excel(file):
        return ExcelFile(file)
    text = TextFile(file, dialect.encoding)
    if is_json_lines(text.peek(SAMPLE_CHARACTERS)):
        return JsonLinesFile(text)
    return CsvFile(text, dialect)


def open_table(
    path: str | os.PathLike[str], dialect: Dialect | None = None, *, is_hashed: bool = False
) -> Source:
    """Open a CSV, TSV, JSON-lines, Parquet or Excel file, and read its header.

    The format is detected from the first bytes, not from the name. CSV may be compressed with gzip.
    is_hashed: whether to compute the SHA-256 of the file while it is read.

    Raises TableError (a ValueError) when it is not a table, OSError when it cannot be read,
    ImportError without polars.
    """
    _require_polars()
    dialect = dialect or Dialect()
    file = InputFile(path, is_hashed)
    try:
        if dialect.encoding is not None:
            check_encoding(dialect.encoding)
        return Source(file, dialect)
    except BaseException:
        file.close()
        raise


def _require_polars() -> None:
    try:
        import polars  # noqa: F401
    except ImportError:
        raise ImportError("tables in files need polars: pip install polars") from None


def joined(blocks: Iterable[Block], kinds: Mapping[str, str], source: Source) -> Block:
    """Return the rows of blocks as one block of the columns in `kinds`.

    Columns of the kind "number" are Float64 if all blocks have them as `Block.numbers`. Raises
    TableError without rows.
    """
    import polars as pl

    blocks = list(blocks)
    if not blocks:
        raise TableError(f"{source.path} has a header but no rows")
    plain = {
        name
        for name, kind in kinds.items()
        if kind == "number" and all(name in block.numbers for block in blocks)
    }
    frames = []
    for block in blocks:
        columns = {column.name: column for column in block.frame.get_columns()}
        frames.append(frame_of({n: block.numbers[n] if n in plain else columns[n] for n in kinds}))
    places = np.concatenate([block.places for block in blocks])
    return Block(pl.concat(frames, rechunk=True), places)
