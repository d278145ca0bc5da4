"""Sources: a file of a table, whatever it is, and the whole of it in memory."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from handnn.files.reading.csv_file import Block, CsvFile
from handnn.files.reading.dialect import is_number
from handnn.files.reading.parquet_file import ParquetFile
from handnn.files.reading.text import TableError, codecs_name, is_parquet

Source = CsvFile | ParquetFile


@dataclass(frozen=True)
class Dialect:
    """How a text file is to be read; None is found out.

    gaps: texts that stand for a missing value, beside those that always do (`tables.cells.GAPS`).
    """

    delimiter: str | None = None
    encoding: str | None = None
    decimal: str = "."
    gaps: tuple[str, ...] = ()


def open_table(path: str | os.PathLike[str], dialect: Dialect | None = None) -> Source:
    """Open a CSV, TSV or Parquet file, packed with gzip or not, as far as its header.

    What it is, is told by how it begins, not by its name. Raises TableError (a ValueError) when
    it is no table, OSError when it can't be read, ImportError without polars.
    """
    require_polars()
    path = os.fspath(path)
    dialect = dialect or Dialect()
    if is_parquet(path):
        return ParquetFile(path)
    if dialect.encoding is not None:
        codecs_name(dialect.encoding)
    return CsvFile(
        path,
        encoding=dialect.encoding,
        delimiter=dialect.delimiter,
        decimal=dialect.decimal,
        gaps=dialect.gaps,
    )


def require_polars() -> None:
    """Raise ImportError, with what to install, when polars is not there."""
    try:
        import polars  # noqa: F401
    except ImportError:
        raise ImportError("tables in files need polars: pip install polars") from None


def whole(source: Source, columns: Iterable[str]) -> Block:
    """Return all rows of these columns as one block; TableError when there are none."""
    import polars as pl

    names = list(columns)
    blocks = [(block.frame.select(names), block.places) for block in source.blocks()]
    if not blocks:
        raise TableError(f"{source.path} has a header, but no rows")
    frames, places = zip(*blocks, strict=True)
    return Block(pl.concat(frames, rechunk=True), np.concatenate(places))


def check_column(name: str, source: Source, what: str) -> None:
    """Raise TableError, with a name that is alike, unless the file has this column."""
    if name in source.names:
        return
    found = _alike(name, source.names)
    told = f"; did you mean {found!r}?" if found else f"; it has {listed(source.names)}"
    if sum(map(is_number, source.names)) * 2 >= len(source.names):
        told += "; is line 1 a header?"
    if len(source.names) == 1:
        told = f"; its one column is {source.names[0]!r:.60}: is --delimiter another?"
    raise TableError(f"{source.path} has no column {name!r}, {what}{told}")


def _alike(name: str, others: list[str]) -> str | None:
    """Return one of the other names that may be meant: the same in other letters, or close."""
    folded = [other for other in others if other.casefold() == name.casefold()]
    return next(iter(folded or get_close_matches(name, others, 1)), None)


def listed(names: Iterable[str]) -> str:
    """Return names for people, the first few of many."""
    names = list(names)
    shown = ", ".join(f"{name!r:.40}" for name in names[:8])
    return shown + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def check_same_columns(source: Source, names: Iterable[str], others: Iterable[str]) -> list[str]:
    """Return notes on how a file's columns differ harmlessly from those in training.

    Raises TableError when one is missing. Additional ones, but for `others`, and another order are
    noted.
    """
    names = list(names)
    missing = [name for name in names if name not in source.names]
    if missing:
        unused = [name for name in source.names if name not in names]
        alike = _alike(missing[0], unused)
        hint = f"; is {alike!r} meant?" if alike else ""
        raise TableError(
            f"{source.path} has no column {listed(missing)}, which the model was trained on{hint}"
        )
    there = [name for name in source.names if name in names]
    notes = []
    if there != names:
        notes.append("the columns stand in another order than in training; they go by their names")
    more = [name for name in source.names if name not in names and name not in set(others)]
    if more:
        notes.append(f"not used, as training did not: {listed(more)}")
    return notes
