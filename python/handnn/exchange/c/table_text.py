"""The text of a table model's header: the comment on its columns, and the lookup of labels."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

import numpy as np

from handnn.exchange.c.reals import bytes_in_c
from handnn.exchange.input_row import InputColumn, InputRow, as_floats, input_gaps, listed
from handnn.tables import TableModel
from handnn.tables.cells import number_text


def described(row: InputRow, name: str) -> str:
    """Return lines of a comment that name each input and each output."""
    lines = [
        f"x[{place}]  {_column(column, place, name)}" for place, column in enumerate(row.columns)
    ]
    lines += [f"y[{place}]  {output}" for place, output in enumerate(row.outputs)]
    heading = f"Predicts {row.target}. NAN stands for a missing value."
    wrapped = [
        textwrap.fill(in_comment(line), 96, initial_indent="   ", subsequent_indent=" " * 8)
        for line in (heading, "", *lines)
    ]
    return "\n".join(wrapped) + "\n\n"


def _column(column: InputColumn, place: int, name: str) -> str:
    """Return the name of a column, and for categories their labels."""
    labels = column.labels
    if column.is_text:
        codes = f"{listed(labels)}; {len(labels) + 1} for any other"
        return f"{column.name}, the code that {name}_code({place}, text) returns: {codes}"
    if labels:
        numbers = ", ".join(map(str, as_floats(labels[:20])))
        more = ", ..." if len(labels) > 20 else ""
        return f"{column.name}, a category with the labels {numbers}{more}"
    return column.name


def promise(row: InputRow, dtype: np.dtype[np.floating]) -> str:
    """Return a description of the bits of the results: `Columns` and `Target` compute in float64.

    dtype: that of the rows.
    """
    task = row.model.target.task
    function = f"handnn's TableModel.predict{'' if task == 'regression' else '_proba'}"
    if dtype == np.float64:
        return f"the bits of {function}"
    return f"the same bits everywhere, close to those of\n   {function}, which scales in double"


def in_comment(text: str) -> str:
    """Return text in one line of ASCII that cannot end the comment it stands in."""
    plain = text.encode("unicode_escape").decode("ascii").replace("\\\\", "\\")
    for first, last in (("*", "/"), ("/", "*"), ("?", "?")):
        while first + last in plain:
            plain = plain.replace(first + last, f"{first} {last}")
    return plain


def lookups(row: InputRow, gaps: Iterable[str] = ()) -> str:
    """Return the labels of text as bytes of UTF-8, and the function that looks them up."""
    if not row.texts:
        return ""
    words = gap_words(row.model, gaps)
    data = b"".join(utf8(word, "the table has the gap") for word in words)
    arrays = (
        "/* The strings that mean a missing value, each terminated by 0. */\n"
        f"MODEL_ARRAY unsigned char model_gap_words[{len(data)}] = {{\n  {bytes_in_c(data)}}};\n\n"
    )
    cases = ""
    for place, column in enumerate(row.columns):
        if column.encode is None or not column.is_text:
            continue
        what = f"column {column.name!r:.80} has the category"
        data = b"".join(utf8(str(label), what) for label in column.encode.labels)
        arrays += (
            f"/* The labels of x[{place}] in UTF-8, each terminated by 0. */\n"
            f"MODEL_ARRAY unsigned char model_labels_{place}[{len(data)}] = {{\n"
            f"  {bytes_in_c(data)}}};\n\n"
        )
        cases += f"    case {place}:\n      return model_label(text, model_labels_{place}, "
        cases += f"{len(column.labels)}, model_gap_words, {len(words)});\n"
    return (
        f"{arrays}/* The code of a string for x[column], with or without spaces around it; NAN if"
        " it is NULL or\n   means a missing value, or x[column] is not a category of text. */\n"
        "static inline real model_code(size_t column, const char *text) {\n"
        f"  switch (column) {{\n{cases}    default:\n      return (real)NAN;\n  }}\n}}\n\n"
    )


def gap_words(model: TableModel, gaps: Iterable[str]) -> list[str]:
    """Return the strings that mean a missing value, and the strings of the numbers among them."""
    words = input_gaps(model, gaps)
    return [*words, *(text for word in words if (text := number_text(word)) and text != word)]


def utf8(text: str, what: str) -> bytes:
    """Return a string in UTF-8, terminated by 0; ValueError if it contains 0 or is not valid."""
    try:
        data = text.encode()
    except UnicodeEncodeError:
        data = b"\0"
    if b"\0" in data:
        raise ValueError(f"to_c: {what} {text!r:.50}, which C cannot hold as text")
    return data + b"\0"
