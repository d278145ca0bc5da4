"""Values: the cells of a file as numbers or text, and what is said of those that are neither."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from handnn.files.reading.dialect import is_number
from handnn.files.reading.text import TableError

if TYPE_CHECKING:
    from polars import DataFrame, Series

    from handnn.files.reading.csv_file import Block

SHOWN = 5

LARGEST = 1e100
"""Numbers beyond are taken for mistakes: nothing that is measured is so large, and squares of sums
of such numbers still are numbers."""

BOOLS = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false"}
"""How bools are written, beside "true" and "false"."""

COMMA = r"^[+-]?([0-9]+|[0-9]{1,3}(\.[0-9]{3})+),[0-9]+$"
"""A number with a decimal comma."""


THOUSANDS = r"^[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+$"
"""A number that may have commas between thousands."""


def parsed(cells: Series, decimal: str = ".") -> Series:
    """Return cells as Float64, None for those that are no number."""
    import polars as pl

    if cells.dtype != pl.String:
        return cells.cast(pl.Float64)
    if decimal != ".":
        # A point is then no decimal point: 1.5 is no number, and 1.000 is not guessed at.
        cells = pl.select(pl.when(~cells.str.contains(".", literal=True)).then(cells)).to_series()
        cells = cells.str.replace(decimal, ".", literal=True)
    return cells.cast(pl.Float64, strict=False).fill_nan(None)


def typed(block: Block, kinds: Mapping[str, str], source: Any) -> DataFrame:
    """Return the columns that `kinds` names: Float64 for "number", text for "category".

    Raises TableError, naming places, columns and values, for cells that are no finite numbers in a
    column of numbers.
    """
    import polars as pl

    columns, bad, count = [], [], 0
    for name, kind in kinds.items():
        cells = block.frame[name]
        if kind == "category":
            text = cells if cells.dtype == pl.String else label_texts(cells)
            columns.append(text.replace(BOOLS))
            continue
        is_text = source.is_typed and cells.dtype == pl.String
        values = cells.is_null() if is_text else parsed(cells, source.decimal)
        odd = cells.is_not_null() & (True if is_text else values.is_null() | is_too_large(values))
        if odd.any():
            count += int(odd.sum())
            rows = odd.arg_true()[:SHOWN].to_list()
            bad += [(int(block.places[row]), name, str(cells[row])) for row in rows]
        columns.append(values.cast(pl.Float64).alias(name))
    if bad:
        raise TableError(bad_cells(bad, count, source))
    return pl.DataFrame(columns)


def is_too_large(values: Series) -> Series:
    """Return where numbers are infinite or beyond `LARGEST`."""
    return (values.abs() > LARGEST).fill_null(False)


def label_texts(cells: Series) -> Series:
    """Return numbers as the texts that a CSV file would have: 3 for 3.0."""
    import polars as pl

    if cells.dtype.is_float() and cells.drop_nulls().round().eq(cells.drop_nulls()).all():
        cells = cells.cast(pl.Int64, strict=False)
    return cells.cast(pl.String)


def bad_cells(bad: Iterable[tuple[int, str, str]], count: int, source: Any) -> str:
    """Say which cells are no numbers, and why that may be."""
    bad = sorted(bad)
    lines = [
        f"{source.place} {place:,}, column {name!r}: {value!r:.60} is no number"
        + " up to 1e100" * is_number(value)
        for place, name, value in bad[:SHOWN]
    ]
    if count > len(lines):
        lines.append(f"and {count - len(lines):,} more")
    values = [value for _, _, value in bad]
    hint = hint_for(values, source.decimal) if not source.is_typed else ""
    return f"{source.path}: " + "; ".join(lines) + hint


def hint_for(values: list[str], decimal: str) -> str:
    """Return what may help to read `values` as numbers, or ""."""
    import re

    if decimal == "." and all(re.match(THOUSANDS, value) for value in values):
        return "; take the commas out if they divide thousands; if not, say --decimal ,"
    if decimal == "." and all(re.match(COMMA, value) for value in values):
        if any("." in value for value in values):
            return "; --decimal , reads the comma, but take the points between thousands out"
        return "; --decimal , reads a comma as the decimal point"
    if decimal == "," and all("." in value for value in values):
        return "; with --decimal , a number must not have a point"
    if len(set(values)) == 1 and len(values[0]) <= 8 and not any(map(str.isdigit, values[0])):
        return f"; if that stands for a gap, say --gap {values[0]!r}"
    return ""
