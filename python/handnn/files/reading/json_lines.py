"""A file of JSON lines in blocks like those of `CsvFile`: an object for each row."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from handnn.files.errors import TableError
from handnn.files.reading.block import ALL, Block, Deal
from handnn.files.reading.cells import frame_of
from handnn.files.reading.csv_checks import MAX_LINE, check_line
from handnn.files.reading.dialect import SAMPLE_CHARACTERS
from handnn.files.reading.text import TextFile

BLOCK_CHARACTERS = 2**22
"""The approximate number of characters in a block."""

SURROGATE, SURROGATES = re.compile(r"\\u[dD][89a-fA-F]"), re.compile("[\ud800-\udfff]")
"""Patterns of the escape of a lone surrogate, and of a lone surrogate."""

Row = dict[str, object]


def is_json_lines(sample: str) -> bool:
    """Return whether text begins with a JSON object, or with an array of them."""
    return re.match(r"\s*(\[\s*)?\{", sample) is not None


class JsonLinesFile:
    """A file whose lines are JSON objects, with a key for each column.

    Cells are strings, as in CSV: numbers keep their digits, booleans are "true" and "false". A key
    that a row does not have is a missing value. The keys at the beginning of the file are the names
    of the columns.

    Raises TableError, naming the line, for a line that is not a JSON object, for a key that occurs
    twice, and for a cell of a requested column that is a list or an object.
    """

    place = "line"
    is_typed = False
    decimal = "."

    def __init__(self, text: TextFile) -> None:
        self.path = text.path
        self._text = text
        self._decoder = json.JSONDecoder(
            parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=self._object
        )
        sample = text.peek(SAMPLE_CHARACTERS)
        lines = sample.split("\n")
        if len(sample) >= SAMPLE_CHARACTERS and len(lines) > 1:
            lines = lines[:-1]  # it may be incomplete
        elif len(sample) >= SAMPLE_CHARACTERS:
            raise TableError(f"{self.path}, line 1 has more than {SAMPLE_CHARACTERS:,} characters")
        names: dict[str, None] = {}
        for number, line in enumerate(lines, 1):
            if number == 1 and line.lstrip().startswith("["):
                raise TableError(
                    f"{self.path} is an array of JSON; JSON lines have one object on each line"
                )
            if line.strip():
                names.update(dict.fromkeys(self._row(line, number)))
        if not names:
            raise TableError(f"{self.path}: the first rows have no keys")
        self.names = list(names)
        self._is_at_start = True

    def close(self) -> None:
        """Stop reading text; the file itself stays open."""
        self._text.detach()

    def blocks(
        self,
        size: int = BLOCK_CHARACTERS,
        names: Sequence[str] | None = None,
        deal: Deal = ALL,
    ) -> Iterator[Block]:
        """Yield the rows in blocks of about `size` characters; names: as `CsvFile.blocks`.

        deal: by default all blocks; the others are not parsed.
        """
        import polars as pl

        if not self._is_at_start:
            self._text.rewind()
        self._is_at_start = False
        chosen = self.names if names is None else list(names)
        first, number, row = 1, 0, 0
        size = deal.size(size)
        while text := self._text.read(size):
            if text[-1] != "\n":
                rest = self._text.readline(MAX_LINE)
                check_line(rest, self.path, first + text.count("\n"))
                text += rest
            lines = text.removesuffix("\n").split("\n")
            written = [(n, line) for n, line in enumerate(lines, first) if line.strip()]
            first += len(lines)
            turn = deal.turn(number)
            if written and deal.takes(turn):
                rows = [(n, self._row(line, n)) for n, line in written]
                self._check_keys(rows)
                columns = {
                    name: pl.Series(name, [self._cell(one, name, n) for n, one in rows], pl.String)
                    for name in chosen
                }
                places = np.array([n for n, _ in rows], np.int64)
                yield Block(frame_of(columns), places, number=number, row=row, turn=turn)
            number, row = number + bool(written), row + len(written)

    def _check_keys(self, rows: Sequence[tuple[int, Row]]) -> None:
        """Raise TableError for a row, given after its line, with a key that is not a column."""
        known = set(self.names)
        for number, row in rows:
            if not row.keys() <= known:
                name = min(row.keys() - known)
                raise TableError(
                    f"{self.path}, line {number}: the first rows have no key {name!r:.60}"
                )

    def _row(self, line: str, number: int) -> Row:
        """Return the object of a line, with numbers as they are written."""
        try:
            found: object = self._decoder.decode(line)
        except TableError as error:
            raise TableError(f"{self.path}, line {number} {error}") from None
        except (ValueError, RecursionError) as error:
            reason = getattr(error, "msg", "") or "it is nested too deeply"
            if line.strip() == "{" or line.rstrip().endswith(","):
                reason += "; each line must hold a whole object"
            raise TableError(f"{self.path}, line {number} is not JSON: {reason}") from None
        if not isinstance(found, dict):
            raise TableError(f"{self.path}, line {number} is not a JSON object: {line!r:.60}")
        if SURROGATE.search(line) and SURROGATES.search(json.dumps(found, ensure_ascii=False)):
            raise TableError(f"{self.path}, line {number} has a lone surrogate, such as \\ud800")
        return found

    def _object(self, pairs: list[tuple[str, object]]) -> Row:
        """Return an object; TableError when a key occurs twice."""
        found = dict(pairs)
        if len(found) < len(pairs):
            (name, _), *_ = Counter(name for name, _ in pairs).most_common(1)
            raise TableError(f"has the key {name!r:.60} twice")
        return found

    def _cell(self, row: Row, name: str, number: int) -> str | None:
        value = row.get(name)
        if isinstance(value, list | dict):
            raise TableError(
                f"{self.path}, line {number}, column {name!r:.60}: {value!s:.60} is not a cell"
            )
        if isinstance(value, bool):
            return "true" if value else "false"
        if value is None or value == "":
            return None
        return str(value)
