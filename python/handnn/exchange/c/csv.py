"""Models of tables as a program: the header, and a main that reads CSV."""

from __future__ import annotations

from collections.abc import Iterable
from string import Template

import numpy as np

from handnn.exchange.c.reals import REALS, bytes_in_c
from handnn.exchange.c.table import table_header, utf8
from handnn.exchange.c.text import in_c, template
from handnn.exchange.table_row import TableRow
from handnn.tables import TableModel


def table_program(
    model: TableModel, name: str = "model", target: str = "", gaps: Iterable[str] = ()
) -> str:
    """Return a program in C99 that reads rows of CSV from stdin and prints the answers.

    The columns are those of training, in their order, without the target; a first line of their
    names is skipped. Cells are divided by commas and may be quoted; `gaps` are the words that stand
    for a gap, beside "". It ends with 1 at a line that is no such row, and names it. With --check
    it predicts the rows that are in it. ``cc -std=c99 -O2 model.c -lm -o model``. Raises what
    `handnn.to_c` raises.
    """
    header = table_header(model, name, target)
    row, real = TableRow(model, target), REALS[model.dtype.name]
    order = [*row.numbers, *row.categories]
    words = sorted({"", *gaps})
    fields = {
        "columns": len(row.names),
        "names": _texts(row.names),
        "gaps": _texts(words),
        "gap_count": len(words),
        "places": ", ".join(str(order.index(column)) for column in row.names),
        "texts": ", ".join(str(int(column in row.texts)) for column in row.names),
        "code": "model_code(model_places[column], cell)" if row.texts else "(real)NAN",
        "type": real.name,
        "digits": "9g" if model.dtype == np.float32 else "17g",
    }
    return header + in_c(Template(template("csv")).substitute(fields), real, name)


def _texts(texts: Iterable[str]) -> str:
    """Return texts in the bytes of C, each with a 0 behind it."""
    return bytes_in_c(b"".join(utf8(text, "the table has the name or gap") for text in texts))
