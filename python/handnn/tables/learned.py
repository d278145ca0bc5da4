"""Learn the columns of a table, each of its kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from handnn.tables.cells import infer_kind
from handnn.tables.column import Column
from handnn.tables.number import NumberColumn, with_thinned_bins
from handnn.tables.plain import learn_plain
from handnn.tables.recipe import ColumnScale
from handnn.tables.table_reader import TableReader


def learned(
    reader: TableReader,
    asked: Sequence[str | None],
    column_kinds: Mapping[str, type[Column]],
    scale: ColumnScale,
    n_bins: int,
    max_bins: int,
) -> list[Column]:
    """Return the columns of a table; asked: the kinds that the user chose, else None.

    n_bins, max_bins: the largest number of bins of a column, and of all columns.
    """
    usual = [place for place, kind in enumerate(asked) if kind in (None, "number") and not n_bins]
    found: dict[int, Column] = {**learn_plain(reader, usual, scale)}
    for place, kind in enumerate(asked):
        if place in found:
            continue
        cells, where, is_chosen = reader.cells(place), reader.where, kind is not None
        cls = column_kinds[kind or infer_kind(cells, where)]
        found[place] = column = cls.learn(cells, where, scale=scale, is_chosen=is_chosen)
        if n_bins and isinstance(column, NumberColumn):
            found[place] = column.with_bins(cells, where, n_bins)
    return with_thinned_bins([found[place] for place in range(len(asked))], max_bins)
