"""The dialect of a CSV file: what stands between its cells, and what its columns are called."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence

from handnn.files.reading.text import TableError

DELIMITERS = (",", ";", "\t", "|")

SAMPLE = 2**16
"""Characters in which the delimiter is sought."""

SAMPLED_LINES = 50


def find_delimiter(sample: str, path: str) -> str:
    """Return what stands between the cells: what divides the first lines most evenly.

    It is the candidate that makes the most lines have as many cells as the header, and of equal
    ones that which makes more cells. A table of one column has none: then it is ",".
    """
    lines = [line for line in sample.split("\n")[: SAMPLED_LINES + 1] if line.strip()]
    if len(lines) > SAMPLED_LINES:
        lines = lines[:SAMPLED_LINES]  # the last one of a sample may be cut
    elif len(sample) >= SAMPLE and len(lines) > 1:
        lines = lines[:-1]
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
    """Return the delimiter that was asked for: one character, or the words "tab" and "\\t"."""
    delimiter = {"tab": "\t", "\\t": "\t"}.get(delimiter, delimiter)
    if len(delimiter) != 1 or delimiter in '"\n\r\0' or delimiter.isalnum() or delimiter in "+-.":
        raise TableError(f"the delimiter must be one character, as , ; | or tab, not {delimiter!r}")
    return delimiter


def check_names(cells: Sequence[str], path: str) -> list[str]:
    """Return the names of the columns, from the first line.

    Raises TableError when one is missing or comes twice, or all of them are numbers: then the file
    has no header.
    """
    names = [cell.strip() for cell in cells]
    if names[0].lower().startswith("sep="):
        raise TableError(f"{path}, line 1: {names[0]!r:.20} is Excel's; delete this line")
    filled = [name for name in names if name]
    if filled and all(map(is_number, filled)):
        raise TableError(
            f"{path}, line 1: {', '.join(names)!r:.60} are numbers, not names; put a line with the "
            "names of the columns before it"
        )
    for place, name in enumerate(names):
        if not name:
            hint = ""
            if place == 0:
                hint = "; is it pandas' index? df.to_csv(..., index=False) leaves it out"
            elif place == len(names) - 1:
                hint = "; does the line end with a delimiter?"
            told = f"column {place + 1} of {len(names)} has no name{hint}"
            raise TableError(f"{path}, line 1: {told}")
        first = names.index(name)
        if first != place:
            told = f"columns {first + 1} and {place + 1} are both called {name!r:.60}; rename one"
            raise TableError(f"{path}, line 1: {told}")
    return names


def is_number(text: str) -> bool:
    """Return whether text reads as a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
