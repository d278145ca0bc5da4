"""Write cells as they appear in text files."""

from __future__ import annotations

import csv
import io
import math
from datetime import date

from handnn.tables.cells import date_text


def as_text(cell: object) -> str:
    """Return a cell as pandas and Python write it into a CSV file."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, date):
        return date_text(cell)
    return str(cell)


def as_csv(cells: list[object], header: str = "", delimiter: str = ",") -> str:
    """Return a table with a column "b" of zeros, followed by the column "a"."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    if header:
        writer.writerow(header.split(","))
    for cell in cells:
        writer.writerow(["0", as_text(cell)])
    return out.getvalue()
