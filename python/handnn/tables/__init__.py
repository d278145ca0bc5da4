"""Tables: columns of numbers, dates and categories, with gaps, encoded as network input."""

from __future__ import annotations

from handnn.tables.category import CategoryColumn
from handnn.tables.columns import Columns
from handnn.tables.date import DateColumn
from handnn.tables.model import TableModel
from handnn.tables.number import NumberColumn
from handnn.tables.table_reader import read_csv, typed
from handnn.tables.target import Target

__all__ = [
    "CategoryColumn", "Columns", "DateColumn", "NumberColumn", "TableModel", "Target", "read_csv",
    "typed",
]  # fmt: skip
