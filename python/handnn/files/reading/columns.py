"""Check that a file has the columns that are requested, or that a model was trained on."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

from handnn.files.errors import Option, Remedy, TableError
from handnn.files.reading.source import Source
from handnn.tables.cells import is_number

MAX_LISTED = 8
"""The largest number of names listed in a message."""


def check_column(name: str, source: Source, purpose: str) -> None:
    """Raise TableError, suggesting a similar name, unless the file has this column."""
    if name in source.names:
        return
    problem = f"{source.path} has no column {name!r} {purpose}"
    if len(source.names) == 1:
        problem += f"; its only column is {source.names[0]!r:.60}"
        raise TableError(problem, Remedy(Option.DELIMITER, ";"))
    similar = _similar(name, source.names)
    problem += f"; did you mean {similar!r}?" if similar else f"; it has {listed(source.names)}"
    if sum(map(is_number, source.names)) * 2 >= len(source.names):
        problem += "; is its first line a header?"
    raise TableError(problem)


def check_same_columns(source: Source, names: Iterable[str], targets: Collection[str]) -> list[str]:
    """Return notes on harmless differences between the columns of a file and of the training.

    A different order and additional columns (other than the targets) are harmless. Raises
    TableError when a column is missing.
    """
    names = list(names)
    known, found = set(names), set(source.names)
    missing = [name for name in names if name not in found]
    if missing:
        similar = _similar(missing[0], [name for name in source.names if name not in known])
        hint = f"; did you mean {similar!r}?" if similar else ""
        noun = "column" if len(missing) == 1 else "columns"
        raise TableError(
            f"{source.path} has no {noun} {listed(missing)}, which the model was trained on{hint}"
        )
    notes = []
    if [name for name in source.names if name in known] != names:
        notes.append("the columns are in another order than in training; they are matched by name")
    more = [name for name in source.names if name not in known and name not in targets]
    if more:
        notes.append(f"columns that training did not use are ignored: {listed(more)}")
    return notes


def listed(names: Iterable[str]) -> str:
    """Return names for a message, up to 8 of them."""
    names = list(names)
    shown = ", ".join(f"{name!r:.40}" for name in names[:MAX_LISTED])
    return shown + (f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else "")


def _similar(name: str, others: list[str]) -> str | None:
    """Return the name that is equal ignoring case, or else the most similar one."""
    equal = [other for other in others if other.casefold() == name.casefold()]
    return next(iter(equal or get_close_matches(name, others, 1)), None)
