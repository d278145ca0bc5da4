"""Blocks: a CSV file in pieces of whole rows, its cells still text, all as wide as the header."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from handnn.files.reading.dialect import SAMPLE, check_delimiter, check_names, find_delimiter
from handnn.files.reading.text import TableError, TextFile
from handnn.tables.cells import GAPS

if TYPE_CHECKING:
    from polars import DataFrame

BLOCK = 2**22
"""Characters of a block, about."""

LONGEST_LINE = 2**24
LONGEST_CELL = 131_072


class Block(NamedTuple):
    """Rows of a table.

    frame: their cells, None where nothing stands. places: (rows,) the line, from 1, in which each
    row begins; in a file without lines the number of the row, from 1.
    """

    frame: DataFrame
    places: NDArray[np.int64]


class CsvFile:
    """A CSV file, opened as far as its header, to be read block by block as often as wanted.

    Cells are stripped of white space; those that are empty, or one of `gaps`, are None. Empty lines
    are skipped. decimal: "." or ",", for those who read the numbers.

    Raises TableError, which names the line, for a file that is empty, has NUL, a header that is
    none (see `check_names`), a row that is shorter or longer than the header, or a quote that is
    never closed.
    """

    place = "line"
    is_typed = False

    def __init__(
        self,
        path: str,
        *,
        encoding: str | None = None,
        delimiter: str | None = None,
        decimal: str = ".",
        gaps: Iterable[str] = (),
    ) -> None:
        self.path = path
        self.decimal = decimal
        self._gaps = sorted({*GAPS, *(gap.strip() for gap in gaps)})
        self._encoding = encoding
        file = TextFile(path, encoding)
        try:
            sample = file.read(SAMPLE)
        finally:
            file.close()
        if not sample.strip():
            raise TableError(f"{path} is empty")
        self._check_nul(sample, 1)
        given = None if delimiter is None else check_delimiter(delimiter)
        self.delimiter = given or find_delimiter(sample, path)
        file = TextFile(path, encoding)
        try:
            header, _, self._first_line = next(self._rows(file, 1))
            self.names = check_names(header, path)
        finally:
            file.close()

    def blocks(self, size: int = BLOCK) -> Iterator[Block]:
        """Yield the rows in blocks of about `size` characters."""
        file = TextFile(self.path, self._encoding)
        try:
            rows = self._rows(file, 1)
            next(rows)
            line = self._first_line
            while True:
                text = file.read(size)
                if not text:
                    return
                if text[-1] != "\n":
                    text += self._rest_of_line(file, line + text.count("\n"))
                self._check_nul(text, line)
                count = text.count("\n") + (text[-1] != "\n")
                if '"' in text or "\n\n" in text or text[0] == "\n":
                    block, count = self._careful(text, file, line)
                else:
                    block = self._plain(text, line, count)
                line += count
                if len(block.places):
                    yield block
        finally:
            file.close()

    def _plain(self, text: str, line: int, count: int) -> Block:
        """Split text without quotes and empty lines, which polars does as the csv module does."""
        import polars as pl

        data = text.encode("utf-8", "surrogatepass")
        self._check_widths(data, line, count)
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
        if frame.height != count:
            raise TableError(f"{self.path}: {count} lines from line {line} on can't be read")
        return Block(self._stripped(frame), np.arange(line, line + count))

    def _check_widths(self, data: bytes, line: int, count: int) -> None:
        """Raise TableError for the first line that has not as many cells as the header."""
        array = np.frombuffer(data, np.uint8)
        ends = np.flatnonzero(array == 10)
        if len(ends) < count:
            ends = np.append(ends, len(array))
        marks = np.flatnonzero(array == ord(self.delimiter)) if self.delimiter.isascii() else None
        if marks is None:
            widths = np.array([row.count(self.delimiter) for row in data.decode().split("\n")])
            widths = widths[:count]
        else:
            widths = np.diff(np.searchsorted(marks, ends), prepend=0)
        odd = np.flatnonzero(widths != len(self.names) - 1)
        if len(odd):
            first = int(odd[0])
            begin = int(ends[first - 1]) + 1 if first else 0
            row = data[begin : int(ends[first])].decode("utf-8", "replace")
            raise TableError(self._ragged(row.split(self.delimiter), line + first))
        longest = int(np.diff(ends, prepend=-1).max())
        if longest > LONGEST_CELL:  # of a whole line, so that cells need not be looked at
            place = int(np.diff(ends, prepend=-1).argmax())
            begin = int(ends[place - 1]) + 1 if place else 0
            for cell in data[begin : int(ends[place])].split(self.delimiter.encode()):
                if len(cell) > LONGEST_CELL:
                    raise TableError(
                        f"{self.path}, line {line + place}: a cell has {len(cell):,} characters, "
                        f"more than {LONGEST_CELL:,}; is this a table?"
                    )

    def _careful(self, text: str, file: TextFile, line: int) -> tuple[Block, int]:
        """Split text with quotes, and read on in the file while a quote is open."""
        import polars as pl

        places, kept, last = [], [], 0
        lines = text.count("\n") + (text[-1] != "\n")
        for row, begin, end in self._rows(file, line, io.StringIO(text, newline="\n")):
            if row:
                if len(row) != len(self.names):
                    raise TableError(self._ragged(row, begin))
                kept.append(row)
                places.append(begin)
            last = end - line
            if last >= lines:
                break
        columns = zip(*kept, strict=True) if kept else ([] for _ in self.names)
        frame = pl.DataFrame(
            {name: list(cells) for name, cells in zip(self.names, columns, strict=True)},
            schema=dict.fromkeys(self.names, pl.String),
        )
        return Block(self._stripped(frame), np.array(places, np.int64)), max(last, lines)

    def _rows(
        self, file: TextFile, line: int, before: io.StringIO | None = None
    ) -> Iterator[tuple[list[str], int, int]]:
        """Yield rows of the csv module, with the line they begin in and that after their last."""

        def lines() -> Iterator[str]:
            number = line
            readers = [file.readline] if before is None else [before.readline, file.readline]
            for read in readers:
                while True:
                    text = read(LONGEST_LINE)
                    if not text:
                        break
                    if len(text) >= LONGEST_LINE:
                        raise TableError(self._too_long(number))
                    self._check_nul(text, number)
                    number += 1
                    yield text

        reader = csv.reader(lines(), delimiter=self.delimiter, strict=True)
        begin = line
        while True:
            try:
                row = next(reader, None)
            except csv.Error as error:
                raise TableError(self._unreadable(error, begin)) from None
            if row is None:
                return
            end = line + reader.line_num
            if row or before is not None:
                yield row, begin, end
            begin = end

    def _unreadable(self, error: csv.Error, line: int) -> str:
        words = str(error)
        if "unexpected end" in words:
            return f"{self.path}, line {line}: a quote is opened and never closed"
        if "field larger" in words:
            return (
                f"{self.path}, line {line}: a cell has more than {LONGEST_CELL:,} characters; is a "
                "quote opened there and not closed?"
            )
        return f"{self.path}, line {line}: {words}"

    def _rest_of_line(self, file: TextFile, line: int) -> str:
        rest = file.readline(LONGEST_LINE)
        if len(rest) >= LONGEST_LINE:
            raise TableError(self._too_long(line))
        return rest

    def _too_long(self, line: int) -> str:
        return f"{self.path}, line {line} has more than {LONGEST_LINE:,} characters; is it a table?"

    def _check_nul(self, text: str, line: int) -> None:
        if "\0" in text:
            number = line + text.count("\n", 0, text.index("\0"))
            raise TableError(
                f"{self.path}, line {number}: there is a NUL character, so this is no text or is "
                "damaged; --encoding utf-16-le reads Excel's Unicode text without a mark"
            )

    def _ragged(self, row: list[str], line: int) -> str:
        shown = self.delimiter.join(row)
        cells = "1 cell" if len(row) == 1 else f"{len(row)} cells"
        named = "1 column is" if len(self.names) == 1 else f"{len(self.names)} columns are"
        told = f"{self.path}, line {line}: {shown!r:.70} has {cells}, but {named} named"
        if len(row) > len(self.names) and self.delimiter == ",":
            told += "; a comma within a cell needs quotes around it"
        return told

    def _stripped(self, frame: DataFrame) -> DataFrame:
        """Take white space off the cells, and make gaps None."""
        import polars as pl

        cells = pl.all().str.strip_chars()
        return frame.select(pl.when(~cells.is_in(self._gaps)).then(cells))
