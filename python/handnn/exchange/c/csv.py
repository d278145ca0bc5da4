"""A TableModel as a program: the header, and a main that reads CSV."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from string import Template

import numpy as np

from handnn.exchange.c.reals import REALS, bytes_in_c
from handnn.exchange.c.table import table_header
from handnn.exchange.c.table_text import gap_words, utf8
from handnn.exchange.c.text import chosen, in_c, template
from handnn.exchange.input_row import InputRow
from handnn.tables import TableModel


def table_program(
    model: TableModel,
    name: str = "model",
    target: str | Sequence[str] = "",
    gaps: Iterable[str] = (),
) -> str:
    """Return a program in C99 that reads rows of CSV from stdin and prints the predictions.

    Commas separate the cells, which may be quoted; docs/cells.md specifies their meaning. If the
    first line holds the names of the columns, they may come in any order, and other columns are
    ignored; otherwise the columns must be those of training, in the same order. `gaps` are strings
    that mean a missing value besides those of the model. For an invalid line the program prints the
    line number and exits with 1. With --check it predicts its test rows. ``cc -std=c99 -O2 model.c
    -lm -o model`` compiles it. Raises what `handnn.to_c` raises.
    """
    header = table_header(model, name, target, gaps, is_wide=True)
    row, real = InputRow(model, target), REALS["float64"]
    order = [column.name for column in row.columns]
    texts = {column.name for column in row.texts}
    words = gap_words(model, gaps)
    encoded = {column.name for column in row.encoded}
    has_float_answers = model.dtype == np.float32 and model.target.task != "regression"
    functions = "" if texts else chosen({"text"}, real)
    fields = {
        "columns": len(row.names),
        "names": _texts(row.names),
        "gaps": _texts(words),
        "gap_count": len(words),
        "places": ", ".join(str(order.index(column)) for column in row.names),
        "texts": ", ".join(str(int(column in texts)) for column in row.names),
        "encoded": ", ".join(str(int(column in encoded)) for column in row.names),
        "functions": functions,
        "code": "model_code(model_places[column], cell)" if row.texts else "(real)NAN",
        "largest": "DBL_MAX",
        "type": REALS[model.dtype.name].name,
        "digits": "9g" if has_float_answers else "17g",
    }
    return header + in_c(Template(template("csv")).substitute(fields), real, name)


def _texts(texts: Iterable[str]) -> str:
    """Return strings as bytes in C, each terminated by 0, followed by an empty string."""
    data = b"".join(utf8(text, "the table has the name or gap") for text in texts)
    return bytes_in_c(data + b"\0")
