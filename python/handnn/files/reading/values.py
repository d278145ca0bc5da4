"""Values: cells as numbers or categories, and errors for cells that are neither."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from handnn.files.errors import Option, Remedy, TableError
from handnn.files.reading.block import Block
from handnn.files.reading.cells import MAX_NUMBER, UNITS, FileCells, frame_of
from handnn.files.reading.source import Source
from handnn.tables.cells import ADVICE, is_number, near_numbers, parse_date
from handnn.tables.steps import Label

if TYPE_CHECKING:
    from polars import DataFrame, Series

MAX_SHOWN_CELLS = 5
"""The largest number of cells shown in a message."""

NOUNS = {"number": "number", "date": "date", "category": "finite number"}
"""The nouns of valid cells in messages; the only invalid categories are infinities."""

NO_UNITS: Mapping[str, str] = {}

DECIMAL_COMMA = r"^[+-]?([0-9]+|[0-9]{1,3}(\.[0-9]{3})+),[0-9]+$"
"""A number with a decimal comma, such as 1.234,5."""

COMMA_THOUSANDS = r"^[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+$"
"""A number that may have commas between thousands, such as 1,234."""


def typed(
    block: Block,
    kinds: Mapping[str, str],
    source: Source,
    units: Mapping[str, str] = NO_UNITS,
) -> DataFrame:
    """Return the columns that `kinds` names: Float64 for "number", as in the file for the others.

    Text has no spaces around it. units: the units that the numbers of a column must have. Raises
    TableError, naming places, columns and values, when cells in a column of numbers are not finite
    numbers, cells in a column of dates are neither dates nor day numbers, or categories are
    infinite.
    """
    found: dict[str, Series] = {}
    columns = {column.name: column for column in block.frame.get_columns()}
    plain = source.numbers(block.frame)
    wrong: list[WrongCell] = []
    n_wrong = 0
    for name, kind in kinds.items():
        if kind == "number" and name in plain and name not in units:
            found[name] = plain[name]
            continue
        cells = source.cells(columns[name])
        if kind == "category":
            found[name] = cells.cells.values
            is_wrong = is_infinite(cells.cells.values)
        elif kind == "number":
            found[name] = cells.numbers
            is_wrong = is_too_large(found[name]) | (~cells.missing & found[name].is_null())
            is_wrong |= cells.units.is_not_null() & (cells.units != units.get(name, ""))
            if name in units:
                is_wrong |= cells.units.is_null() & ~cells.missing
        else:
            found[name] = without(cells.with_plain_numbers, cells.missing)
            is_day = cells.numbers.is_not_null() & cells.units.is_null() & ~cells.cells.bools
            is_wrong = ~cells.missing & ~are_dates(cells) & ~is_day
        if is_wrong.any():
            n_wrong += int(is_wrong.sum())
            rows = is_wrong.arg_true()[:MAX_SHOWN_CELLS].to_list()
            values = columns[name]
            wrong += [WrongCell(int(block.places[n]), name, str(values[n]), kind) for n in rows]
    if wrong:
        raise wrong_cells(wrong, n_wrong, source)
    return frame_of(found)


def without(column: Series, missing: Series) -> Series:
    """Return a column with null where a value is missing."""
    import polars as pl

    return pl.select(pl.when(~missing).then(column)).to_series().alias(column.name)


def is_infinite(values: Series) -> Series:
    """Return a mask of typed infinities."""
    import polars as pl

    if not values.dtype.is_float():
        return pl.Series(values.name, [False]).new_from_index(0, len(values))
    return values.is_infinite().fill_null(False)


def are_dates(cells: FileCells) -> Series:
    """Return a mask of the cells that are dates, typed or as ISO 8601 text."""
    import polars as pl

    column = cells.cells.values
    if column.dtype.is_temporal():
        return column.is_not_null()
    if not cells.cells.is_text:
        return pl.Series(column.name, [False] * len(column))
    distinct = column.unique().drop_nulls()
    dates = [text for text in distinct.to_list() if parse_date(text) is not None]
    return column.is_in(dates).fill_null(False)


def is_too_large(values: Series) -> Series:
    """Return a mask of the numbers that are infinite or larger than `MAX_NUMBER`."""
    import polars as pl

    numbers = values.to_numpy()
    return pl.Series(values.name, (numbers > MAX_NUMBER) | (numbers < -MAX_NUMBER))


def label_counts(cells: Series) -> dict[Label, int]:
    """Return the count of each value."""
    counts = cells.drop_nulls().value_counts()
    return dict(zip(*(column.to_list() for column in counts.get_columns()), strict=True))


class WrongCell(NamedTuple):
    """A cell that is not of the kind of its column."""

    place: int
    name: str
    text: str
    kind: str


def wrong_cells(cells: Iterable[WrongCell], count: int, source: Source) -> TableError:
    """Return the error for `count` cells that are not of the kind of their columns."""
    shown = sorted(cells)[:MAX_SHOWN_CELLS]
    texts = [cell.text.strip() for cell in shown]
    parts = [
        f"{source.place} {cell.place:,}, column {cell.name!r}: {cell.text!r:.60} is "
        + ("beyond 1e100" if _is_huge(cell.text) else f"not a {NOUNS[cell.kind]}")
        for cell in shown
    ]
    if count > len(parts):
        parts.append(f"and {count - len(parts):,} more")
    return TableError(
        f"{source.path}: {'; '.join(parts)}{hint_for(texts, source)}", *remedies_for(texts, source)
    )


def remedies_for(texts: Sequence[str], source: Source) -> list[Remedy]:
    """Return the option that makes `texts` numbers or gaps, if one is known."""
    if not texts:
        return []
    bare = [re.sub(UNITS, "", text).strip() for text in texts]
    has_commas = _matches(bare, COMMA_THOUSANDS) or _matches(bare, DECIMAL_COMMA)
    if not source.is_typed and source.format.decimal == "." and has_commas:
        return [Remedy(Option.DECIMAL, ",")]
    if len(set(texts)) == 1 and len(texts[0]) <= 8 and not any(map(str.isdigit, texts[0])):
        return [Remedy(Option.GAPS, (texts[0],))]
    return []


def hint_for(texts: Sequence[str], source: Source) -> str:
    """Return advice on how to change a file so that `texts` are numbers, to append to a message."""
    if not texts:
        return ""
    has_points = any("." in text for text in texts)
    if source.format.decimal == ".":
        if _matches(texts, COMMA_THOUSANDS):
            return "; remove the commas if they separate thousands"
        if _matches(texts, DECIMAL_COMMA) and has_points:
            return "; remove the points between thousands"
    elif all("." in text for text in texts):
        return "; with a decimal comma, numbers must not contain points"
    found = near_numbers(texts)
    are_near = found is not None and found[2] == len(texts)
    if found is None or not are_near or remedies_for(texts, source):
        return ""
    return f"; {ADVICE[found[0]]}"


def _is_huge(text: str) -> bool:
    return is_number(text) and abs(float(text)) > MAX_NUMBER


def _matches(texts: Sequence[str], pattern: str) -> bool:
    return all(re.match(pattern, text) for text in texts)
