"""Checks of CSV text: rows as wide as the header, cells and lines that are not too long, no NUL."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from handnn.files.errors import Option, Remedy, TableError

MAX_LINE = 2**24
"""The largest number of characters in a line."""

MAX_CELL = 131_072
"""The largest number of characters in a cell, as in the csv module."""


Reader = Callable[[int], str]
"""Returns the next line, up to a number of characters; "" at the end."""


class Layout(NamedTuple):
    """The path of a CSV file, its delimiter and the names of its columns."""

    path: str
    delimiter: str
    names: list[str]


Record = tuple[list[str], int, int]
"""The cells of a row as the csv module reads it, its first line, and the line after its last."""


def records(
    readers: Iterable[Reader], path: str, delimiter: str, line: int, *, skips_spaces: bool = False
) -> Iterator[Record]:
    """Yield the rows that `readers` return one after another; `line` is the number of the first.

    skips_spaces: whether spaces before a cell are removed, so that a quote after them is
        recognized.

    An empty line is a row without cells. Raises TableError for text that is not CSV.
    """
    lines = _lines(readers, path, line)
    reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=skips_spaces)
    start = line
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise TableError(f"{path}, line {start}: {_described(error)}") from None
        if cells is None:
            return
        next_line = line + reader.line_num
        yield cells, start, next_line
        start = next_line


def _lines(readers: Iterable[Reader], path: str, line: int) -> Iterator[str]:
    for read in readers:
        while text := read(MAX_LINE):
            if "\0" in text or len(text) >= MAX_LINE:
                check_line(text, path, line)
                check_nul(text, path, line)
            line += 1
            yield text


def _described(error: csv.Error) -> str:
    message = str(error)
    if "unexpected end" in message:
        return "a quote is opened and never closed"
    if "field larger" in message:
        return f"a cell has more than {MAX_CELL:,} characters; is a quote not closed?"
    return message


def check_line(text: str, path: str, line: int) -> None:
    """Raise TableError when a line is too long."""
    if len(text) >= MAX_LINE:
        raise TableError(
            f"{path}, line {line} has more than {MAX_LINE:,} characters; is this a table?"
        )


def check_nul(text: str, path: str, line: int) -> None:
    """Raise TableError when text that begins on `line` has a NUL character."""
    if "\0" in text:
        line += text.count("\n", 0, text.index("\0"))
        problem = f"{path}, line {line}: NUL character, so the file is damaged or not UTF-8"
        raise TableError(problem, Remedy(Option.ENCODING, "utf-16-le"))


def wrong_width(cells: list[str], layout: Layout, line: int) -> TableError:
    """Return the error for a row that does not have one cell for each column."""
    row = layout.delimiter.join(cells)
    problem = (
        f"{layout.path}, line {line}: {row!r:.70} has {counted(len(cells), 'cell')}, but the "
        f"header has {counted(len(layout.names), 'column')}"
    )
    if len(cells) > len(layout.names) and layout.delimiter == ",":
        problem += "; quote cells that contain commas"
    return TableError(problem)


def check_lines(data: bytes, n_lines: int, layout: Layout, line: int) -> None:
    """Raise TableError for the first of `n_lines` lines without quotes that is not a row."""
    delimiter = layout.delimiter.encode()
    array = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(array == ord("\n"))
    if len(ends) < n_lines:
        ends = np.append(ends, len(array))

    def cells(place: int) -> list[bytes]:
        start = int(ends[place - 1]) + 1 if place else 0
        return data[start : int(ends[place])].split(delimiter)

    if len(delimiter) == 1:
        delimiters = np.flatnonzero(array == delimiter[0])
        n_delimiters = np.diff(np.searchsorted(delimiters, ends), prepend=0)
    else:
        n_delimiters = np.array([text.count(delimiter) for text in data.split(b"\n")[:n_lines]])
    wrong = np.flatnonzero(n_delimiters != len(layout.names) - 1)
    if len(wrong):
        place = int(wrong[0])
        texts = [cell.decode("utf-8", "replace") for cell in cells(place)]
        raise wrong_width(texts, layout, line + place)
    for place in np.flatnonzero(np.diff(ends, prepend=-1) > MAX_CELL).tolist():
        longest = max(map(len, cells(place)))
        if longest > MAX_CELL:
            raise TableError(
                f"{layout.path}, line {line + place}: a cell has {longest:,} characters, more than "
                f"{MAX_CELL:,}; is this a table?"
            )


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: "1 row", "1,200 rows"."""
    return f"{count:,} {noun}" + "s" * (count != 1)
