"""A Parquet file in blocks of rows like those of `CsvFile`, but with types."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from handnn.files.errors import TableError
from handnn.files.reading.block import ALL, Block, Deal, Places
from handnn.files.reading.cells import select
from handnn.files.reading.input_file import InputFile
from handnn.files.reading.parquet_process import UnreadableError, read_header, read_rows
from handnn.files.reading.row_groups import row_group_sizes

if TYPE_CHECKING:
    from polars import Series

EPOCH = dt.date(1970, 1, 1).toordinal()

FIRST_DAY, LAST_DAY = (date.toordinal() - EPOCH for date in (dt.date.min, dt.date.max))
"""The range of Python's dates, in days since 1970-01-01."""

SECONDS_PER_DAY = 86_400

BLOCK_CELLS = 2**19
"""The approximate number of cells in a block."""


class ParquetFile:
    """A Parquet file whose schema has been read; another process reads the rest by its path.

    Cells have the types of the file, and names are as in the file, also empty ones.

    Raises TableError when the file is damaged.
    """

    place = "row"
    is_typed = True
    decimal = "."
    what = "a Parquet file"
    first_row = 1

    def __init__(self, file: InputFile) -> None:
        self.path = file.path
        self._file = file
        try:
            self.names, self._n_rows = read_header(file.local_path, file.state)
        except UnreadableError as error:
            raise self._unreadable(error) from None

    def close(self) -> None:
        """Do nothing; the file is opened and closed where it is read."""

    def blocks(
        self,
        size: int = BLOCK_CELLS,
        names: Sequence[str] | None = None,
        deal: Deal = ALL,
    ) -> Iterator[Block]:
        """Yield the rows in blocks of about `size` cells; names: of the columns, by default all.

        deal: by default all blocks. With several stripes, whole row groups are assigned to them, if
            there are enough; only those of the requested stripes are read.
        """
        place_of = {name: place for place, name in enumerate(self.names)}
        chosen = self.names if names is None else list(names)
        places = [place_of[name] for name in chosen]
        n_rows = max(1, deal.size(size) // max(1, len(chosen)))
        for number, first, count, turn in self._pieces(n_rows, deal):
            try:
                frame = read_rows(self._file.local_path, self._file.state, places, first, count)
            except UnreadableError as error:
                raise self._unreadable(error) from None
            places_of_rows = np.arange(len(frame)) + first + self.first_row
            for column in frame.get_columns():
                check_dates(column, places_of_rows, self.path)
            yield Block(select(frame, chosen), places_of_rows, number=number, row=first, turn=turn)

    def _pieces(self, size: int, deal: Deal) -> list[tuple[int, int, int, tuple[int, int]]]:
        """Return number, first row, number of rows, and turn of each requested block.

        size: the number of rows of a block; it has fewer at the end of the file or of a row group.
        """
        groups = row_group_sizes(self._file.local_path) if deal.n > 1 else []
        is_dealt = len(groups) >= deal.n and sum(groups) == self._n_rows
        starts = np.cumsum([0, *groups]).tolist() if is_dealt else [0, self._n_rows]
        pieces: list[tuple[int, int, int, tuple[int, int]]] = []
        n_of_stripe = [0] * deal.n
        for group, (start, end) in enumerate(pairwise(starts)):
            for first in range(start, end, size):
                stripe = (group if is_dealt else len(pieces)) % deal.n
                turn = n_of_stripe[stripe], stripe
                n_of_stripe[stripe] += 1
                pieces.append((len(pieces), first, min(size, end - first), turn))
        return sorted((piece for piece in pieces if deal.takes(piece[3])), key=lambda one: one[3])

    def _unreadable(self, reason: UnreadableError) -> TableError:
        text = f"{self.path} is not {self.what} that can be read: {reason!s:.200}"
        return TableError(text)


def check_dates(column: Series, places: Places, path: str) -> None:
    """Raise TableError for a date or a time outside the years 1 to 9999, the range of Python's."""
    import polars as pl

    dtype = column.dtype
    if dtype == pl.Date:
        n_per_day = 1
    elif isinstance(dtype, pl.Datetime) and dtype.time_unit != "ns":
        n_per_day = SECONDS_PER_DAY * (1000 if dtype.time_unit == "ms" else 1_000_000)
    else:
        return
    values = column.to_physical()
    is_wrong = (values < FIRST_DAY * n_per_day) | (values >= (LAST_DAY + 1) * n_per_day)
    if is_wrong.any():
        row = int(is_wrong.arg_true()[0])
        raise TableError(
            f"{path}: row {int(places[row]):,}, column {column.name!r}: a date outside the years "
            "1 to 9999"
        )
