"""A CSV file in blocks of complete rows, with text cells."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from handnn.files.errors import TableError
from handnn.files.reading.block import ALL, Block, Deal
from handnn.files.reading.cells import select
from handnn.files.reading.csv_checks import (
    MAX_LINE,
    Layout,
    Reader,
    Record,
    check_line,
    check_lines,
    check_nul,
    records,
    wrong_width,
)
from handnn.files.reading.dialect import (
    SAMPLE_CHARACTERS,
    Dialect,
    check_delimiter,
    check_names,
    find_delimiter,
)
from handnn.files.reading.text import TextFile

if TYPE_CHECKING:
    from polars import DataFrame

BLOCK_CHARACTERS = 2**22
"""The approximate number of characters in a block."""

CHARACTERS_PER_COLUMN, MAX_BLOCK_CHARACTERS = 2**11, 2**25
"""A block of a table of thousands of columns is larger: so that it has hundreds of rows."""


class CsvFile:
    """A CSV file whose header has been read, to be read block by block, several times if needed.

    Cells are as they are in the file, None where they are empty. Empty lines are skipped.

    Attributes:
        names: the names of the columns.
        delimiter: the character between cells.
        decimal: the decimal point that numbers are to be read with, "." or ",".

    Raises TableError, naming the line, for a file that is empty, has a NUL character or a header
    that `check_names` rejects, for a row with more or fewer cells than the header, and for a quote
    that is not closed.
    """

    place = "line"
    is_typed = False

    def __init__(self, text: TextFile, dialect: Dialect) -> None:
        self.path = text.path
        self.decimal = dialect.decimal
        self._text = text
        sample = self._text.peek(SAMPLE_CHARACTERS)
        if not sample.strip():
            raise TableError(f"{self.path} is empty")
        check_nul(sample, self.path, 1)
        given = None if dialect.delimiter is None else check_delimiter(dialect.delimiter)
        self.delimiter = given or find_delimiter(sample)
        header, line, self._first_line = self._read_header()
        self.names = check_names(header, f"{self.path}, line {line}")
        self._layout = Layout(self.path, self.delimiter, self.names)
        self._is_at_start = True

    def close(self) -> None:
        """Stop reading text; the file itself stays open."""
        self._text.detach()

    def blocks(
        self,
        size: int | None = None,
        names: Sequence[str] | None = None,
        deal: Deal = ALL,
    ) -> Iterator[Block]:
        """Yield the rows in blocks of about `size` characters; one pass at a time.

        size: by default `BLOCK_CHARACTERS`, more for many columns. names: of the columns to yield;
        by default all. deal: by default all blocks; of the others, only those with quotes or empty
        lines are parsed, to find where they end.
        """
        if size is None:
            wide = min(len(self.names) * CHARACTERS_PER_COLUMN, MAX_BLOCK_CHARACTERS)
            size = max(BLOCK_CHARACTERS, wide)
        if not self._is_at_start:
            self._text.rewind()
            self._read_header()
        self._is_at_start = False
        line, number, row = self._first_line, 0, 0
        size = deal.size(size)
        while text := self._text.read(size):
            if text[-1] != "\n":
                rest = self._text.readline(MAX_LINE)
                check_line(rest, self.path, line + text.count("\n"))
                text += rest
            check_nul(text, self.path, line)
            n_lines = text.count("\n") + (text[-1] != "\n")
            if '"' in text or "\n\n" in text or text[0] == "\n":
                block, n_lines = self._parse_quoted(text, line, n_lines)
            elif deal.takes(deal.turn(number)):
                block = self._parse_plain(text, line, n_lines)
            else:
                line, number, row = line + n_lines, number + 1, row + n_lines
                continue
            line += n_lines
            if len(block.places):
                if deal.takes(turn := deal.turn(number)):
                    frame = block.frame if names is None else select(block.frame, names)
                    yield Block(frame, block.places, number=number, row=row, turn=turn)
                number, row = number + 1, row + len(block.places)

    def _read_header(self) -> Record:
        """Read the first row."""
        lines = records([self._text.readline], self.path, self.delimiter, 1, skips_spaces=True)
        for record in lines:
            if record[0]:
                return record
        raise TableError(f"{self.path} is empty")

    def _parse_plain(self, text: str, line: int, n_lines: int) -> Block:
        """Parse text without quotes and empty lines, which polars reads as the csv module does."""
        import polars as pl

        data = text.encode("utf-8", "surrogatepass")
        check_lines(data, n_lines, self._layout, line)
        if len(self.names) == 1:
            frame = pl.DataFrame({self.names[0]: text.removesuffix("\n").split("\n")})
        else:
            frame = pl.read_csv(
                io.BytesIO(data),
                has_header=False,
                new_columns=self.names,
                separator=self.delimiter,
                quote_char=None,
                infer_schema=False,
                comment_prefix=None,
            )
        if frame.height != n_lines:
            raise TableError(f"{self.path}: the {n_lines} lines from line {line} cannot be read")
        if self._has_empty(text):
            frame = _without_empty(frame)
        return Block(frame, np.arange(line, line + n_lines))

    def _has_empty(self, text: str) -> bool:
        """Return whether a cell of text without quotes may be empty."""
        c = self.delimiter
        is_within = any(pair in text for pair in (c + c, c + "\n", "\n" + c))
        return is_within or text[0] == c or text[-1] == c

    def _parse_quoted(self, text: str, line: int, n_lines: int) -> tuple[Block, int]:
        """Parse text with quotes or empty lines, and read on while a quote is open.

        Returns the block and the number of lines it takes.
        """
        import polars as pl

        places, rows = [], []
        n_read = 0
        ahead = io.StringIO(text, newline="\n")
        readers: list[Reader] = [ahead.readline, self._text.readline]
        skips = self.delimiter + ' "' in text or '  "' in text or '\n "' in text
        rest = records(readers, self.path, self.delimiter, line, skips_spaces=skips)
        for cells, place, next_line in rest:
            if cells:
                if len(cells) != len(self.names):
                    raise wrong_width(cells, self._layout, place)
                rows.append(cells)
                places.append(place)
            n_read = next_line - line
            if n_read >= n_lines:
                break
        columns = zip(*rows, strict=True) if rows else ([] for _ in self.names)
        frame = pl.DataFrame(
            {name: list(cells) for name, cells in zip(self.names, columns, strict=True)},
            schema=dict.fromkeys(self.names, pl.String),
        )
        return Block(_without_empty(frame), np.array(places, np.int64)), max(n_read, n_lines)


def _without_empty(frame: DataFrame) -> DataFrame:
    """Return text with None in place of empty cells."""
    import polars as pl

    return frame.select(pl.when(pl.all() != "").then(pl.all()))
