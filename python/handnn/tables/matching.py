"""Match the columns of a table with those of the training table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from handnn.arrays import check_type
from handnn.tables import checks
from handnn.tables.table_reader import TableReader

MAX_LISTED = 5
"""The largest number of names listed in a message."""


def match_columns(
    names: Sequence[str] | None,
    n_columns: int,
    reader: TableReader,
    *,
    ignores_others: bool = False,
) -> list[int]:
    """Return the position in a table of each of `n_columns` columns.

    names: those of the columns; None if training had none. Without names, columns are matched by
    position. Raises ValueError if a column is missing, additional or renamed; additional columns
    with names are ignored with `ignores_others`.
    """
    theirs = reader.names
    if names is None or theirs is None:
        if len(reader) != n_columns:
            raise ValueError(
                f"{reader.where}: the table must have {n_columns} columns, but has {len(reader)}"
            )
        return list(range(len(reader)))
    found = {name: place for place, name in enumerate(theirs)}
    known = set(names)
    missing = [name for name in names if name not in found]
    additional = [name for name in theirs if name not in known]
    if missing or (additional and not ignores_others):
        texts = [f"has no column {_listed(missing)}"] if missing else []
        texts += [f"has {_listed(additional)}, absent from training"] if additional else []
        raise ValueError(f"{reader.where}: the table {', but '.join(texts)}")
    return [found[name] for name in names]


def _listed(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:MAX_LISTED]))
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return shown + more


def chosen_kinds(
    kinds: Mapping[str, str] | Mapping[int, str], words: tuple[str, ...], reader: TableReader
) -> dict[str | int, str]:
    """Return the kinds that the user names; ValueError for one not in `words`."""
    check_type(kinds, Mapping, f"{reader.where}: kinds")
    keys = {reader.key(place) for place in range(len(reader))}
    chosen: dict[str | int, str] = {}
    for key, kind in kinds.items():
        if key not in keys:
            raise ValueError(f"{reader.where}: kinds has {key!r}, but the table has no such column")
        chosen[key] = checks.word(kind, words, f"{reader.where}: kinds[{key!r}]")
    return chosen
