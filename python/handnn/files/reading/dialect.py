"""The dialect of a CSV file: its delimiter, its encoding and the names in its header."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass

from handnn.arrays import check_type
from handnn.files.errors import TableError
from handnn.tables.cells import GAPS

DELIMITERS = (",", ";", "\t", "|")

SAMPLE_CHARACTERS = 2**16
"""The number of characters from which the delimiter is detected."""

SAMPLE_LINES = 50

INDEX_NAME = "Unnamed: 0"
"""The name of a first column without a name, as in pandas."""


@dataclass(frozen=True)
class Dialect:
    """The settings for reading a text file. Fields that are None are detected.

    delimiter: the character between cells. encoding: a name that Python knows. decimal: the decimal
    point, "." or ",". gaps: strings that mark a missing value, besides empty cells and, unless
    default_gaps is False, `tables.cells.GAPS`.
    """

    delimiter: str | None = None
    encoding: str | None = None
    decimal: str = "."
    gaps: tuple[str, ...] = ()
    default_gaps: bool = True

    def check(self, where: str) -> None:
        """Raise TypeError or ValueError, naming the argument, for a setting that cannot be used."""
        for name in ("delimiter", "encoding"):
            value = getattr(self, name)
            if value is not None:
                check_type(value, str, f"{where}: {name}")
        if type(self.decimal) is not str or self.decimal not in (".", ","):
            raise ValueError(f"{where}: decimal must be '.' or ',', not {self.decimal!r:.50}")
        for gap in self.gaps:
            if gap != gap.encode("utf-8", "replace").decode():
                raise ValueError(f"{where}: gaps has {gap!r:.50}, which is not valid Unicode")

    @property
    def gap_words(self) -> tuple[str, ...]:
        """All strings that mark a missing value, besides empty cells."""
        return tuple(dict.fromkeys([*(sorted(GAPS) if self.default_gaps else []), *self.gaps]))

    @property
    def chosen_gaps(self) -> tuple[str, ...] | None:
        """All such strings for `Columns.learn`; None for the default."""
        return None if self.default_gaps and not self.gaps else self.gap_words


def find_delimiter(sample: str) -> str:
    """Return the delimiter that splits the first lines of a file most evenly.

    It is the candidate for which the most lines have as many cells as the header and, among equals,
    the one with more cells. If the table has one column, "," is returned.
    """
    lines = [line for line in sample.split("\n")[: SAMPLE_LINES + 1] if line.strip()]
    if len(lines) > SAMPLE_LINES:
        lines = lines[:SAMPLE_LINES]
    elif len(sample) >= SAMPLE_CHARACTERS and len(lines) > 1:
        lines = lines[:-1]  # it may be incomplete
    best, best_score = ",", (0.0, 0)
    for candidate in DELIMITERS:
        try:
            rows = [row for row in csv.reader(lines, delimiter=candidate) if row]
        except csv.Error:
            continue
        width = len(rows[0]) if rows else 0
        if width < 2:
            continue
        even = sum(len(row) == width for row in rows[1:]) / max(1, len(rows) - 1)
        if (even, width) > best_score:
            best, best_score = candidate, (even, width)
    if best_score == (0.0, 0) and lines and max(map(lines[0].count, DELIMITERS)) > 0:
        return max(DELIMITERS, key=lines[0].count)
    return best


def check_delimiter(delimiter: str) -> str:
    """Return a delimiter: one character, or a tab for "tab" and "\\t"; else raise TableError."""
    delimiter = {"tab": "\t", "\\t": "\t"}.get(delimiter, delimiter)
    if len(delimiter) != 1 or delimiter in '"\n\r\0' or delimiter.isalnum() or delimiter in "+-.":
        raise TableError(
            f"the delimiter must be one character, such as , ; | or tab, not {delimiter!r}"
        )
    return delimiter


def check_names(cells: Sequence[str], where: str) -> list[str]:
    """Return the names of the columns from the cells of the header; `where` begins messages.

    Raises TableError when a name is missing or occurs twice, or when all names are numbers, which
    means that the file has no header.
    """
    names = [cell.strip() for cell in cells]
    if names[0].lower().startswith("sep="):
        raise TableError(f"{where}: {names[0]!r:.20} is a directive for Excel; delete this line")
    filled = [name for name in names if name]
    if filled and all(map(is_number, filled)):
        raise TableError(
            f"{where}: {', '.join(names)!r:.60} are numbers, not names; insert a line with the "
            "names of the columns"
        )
    first_of: dict[str, int] = {}
    for place, name in enumerate(names):
        if not name:
            if place == 0 and INDEX_NAME not in names:  # the unnamed index column of pandas
                names[0] = INDEX_NAME
                first_of[INDEX_NAME] = 0
                continue
            hint = ""
            if place == len(names) - 1:
                hint = "; does the line end with a delimiter?"
            raise TableError(f"{where}: column {place + 1} of {len(names)} has no name{hint}")
        first = first_of.setdefault(name, place)
        if first != place:
            raise TableError(
                f"{where}: columns {first + 1} and {place + 1} are both called {name!r:.60}; "
                "rename one of them"
            )
    return names


def is_number(text: str) -> bool:
    """Return whether text reads as a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
