"""Values: cells as numbers or categories, and errors for cells that are neither."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from handnn.files.errors import Option, Remedy, TableError
from handnn.files.reading.block import Block
from handnn.files.reading.dialect import is_number
from handnn.files.reading.source import Source

if TYPE_CHECKING:
    from polars import DataFrame, Series

MAX_SHOWN_CELLS = 5
"""The largest number of cells shown in a message."""

MAX_NUMBER = 1e100
"""Larger numbers are treated as mistakes. Squares of sums of smaller numbers are finite."""

BOOLS = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false"}
"""Spellings of bools, and the categories that they are."""

DECIMAL_COMMA = r"^[+-]?([0-9]+|[0-9]{1,3}(\.[0-9]{3})+),[0-9]+$"
"""A number with a decimal comma, such as 1.234,5."""

COMMA_THOUSANDS = r"^[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+$"
"""A number that may have commas between thousands, such as 1,234."""


def as_numbers(cells: Series, decimal: str = ".") -> Series:
    """Return cells as Float64, None where a cell is not a number.

    With a decimal comma, text with a point is not a number: 1.000 may be either 1 or 1000.
    """
    import polars as pl

    if cells.dtype != pl.String:
        return cells.cast(pl.Float64)
    if decimal != ".":
        cells = pl.select(pl.when(~cells.str.contains(".", literal=True)).then(cells)).to_series()
        cells = cells.str.replace(decimal, ".", literal=True)
    return cells.cast(pl.Float64, strict=False).fill_nan(None)


def typed(block: Block, kinds: Mapping[str, str], source: Source) -> DataFrame:
    """Return the columns that `kinds` names: Float64 for "number", String for "category".

    Raises TableError, naming places, columns and values, when cells in a column of numbers are not
    finite numbers.
    """
    import polars as pl

    columns = []
    wrong: list[tuple[int, str, str]] = []
    n_wrong = 0
    for name, kind in kinds.items():
        cells = block.frame[name]
        if kind == "category":
            text = cells if cells.dtype == pl.String else as_labels(cells)
            columns.append(text.replace(BOOLS))
            continue
        if source.is_typed and cells.dtype == pl.String:
            values = cells.clear(len(cells)).cast(pl.Float64)
            is_wrong = cells.is_not_null()
        else:
            values = as_numbers(cells, source.decimal)
            is_wrong = cells.is_not_null() & (values.is_null() | is_too_large(values))
        if is_wrong.any():
            n_wrong += int(is_wrong.sum())
            rows = is_wrong.arg_true()[:MAX_SHOWN_CELLS].to_list()
            wrong += [(int(block.places[row]), name, str(cells[row])) for row in rows]
        columns.append(values.alias(name))
    if wrong:
        raise wrong_cells(wrong, n_wrong, source)
    return pl.DataFrame(columns)


def is_too_large(values: Series) -> Series:
    """Return where numbers are infinite or larger than `MAX_NUMBER`."""
    return (values.abs() > MAX_NUMBER).fill_null(False)


def as_labels(cells: Series) -> Series:
    """Return numbers as text, as in a CSV file: "3" for 3.0."""
    import polars as pl

    if cells.dtype.is_float() and cells.drop_nulls().round().eq(cells.drop_nulls()).all():
        cells = cells.cast(pl.Int64, strict=False)
    return cells.cast(pl.String)


def label_counts(cells: Series) -> dict[str, int]:
    """Return how often each label occurs."""
    counts = cells.drop_nulls().value_counts()
    return dict(zip(*(column.to_list() for column in counts), strict=True))


def wrong_cells(cells: Iterable[tuple[int, str, str]], count: int, source: Source) -> TableError:
    """Return the error for `count` cells that are not numbers: place, column and text of some."""
    shown = sorted(cells)[:MAX_SHOWN_CELLS]
    texts = [text for _, _, text in shown]
    parts = [
        f"{source.place} {place:,}, column {name!r}: {value!r:.60} is "
        + ("beyond 1e100" if _is_huge(value) else "not a number")
        for place, name, value in shown
    ]
    if count > len(parts):
        parts.append(f"and {count - len(parts):,} more")
    return TableError(
        f"{source.path}: {'; '.join(parts)}{hint_for(texts, source)}", *remedies_for(texts, source)
    )


def remedies_for(texts: Sequence[str], source: Source) -> list[Remedy]:
    """Return the option that makes `texts` numbers or gaps, if one is known."""
    if source.is_typed or not texts:
        return []
    has_commas = _matches(texts, COMMA_THOUSANDS) or _matches(texts, DECIMAL_COMMA)
    if source.decimal == "." and has_commas:
        return [Remedy(Option.DECIMAL, ",")]
    if len(set(texts)) == 1 and len(texts[0]) <= 8 and not any(map(str.isdigit, texts[0])):
        return [Remedy(Option.GAPS, (texts[0],))]
    return []


def hint_for(texts: Sequence[str], source: Source) -> str:
    """Return advice on how to change a file so that `texts` are numbers, to append to a message."""
    if source.is_typed or not texts:
        return ""
    has_points = any("." in text for text in texts)
    if source.decimal == ".":
        if _matches(texts, COMMA_THOUSANDS):
            return "; remove the commas if they separate thousands"
        if _matches(texts, DECIMAL_COMMA) and has_points:
            return "; remove the points between thousands"
    elif all("." in text for text in texts):
        return "; with a decimal comma, numbers must not contain points"
    return ""


def _is_huge(text: str) -> bool:
    return is_number(text) and abs(float(text)) > MAX_NUMBER


def _matches(texts: Sequence[str], pattern: str) -> bool:
    return all(re.match(pattern, text) for text in texts)
