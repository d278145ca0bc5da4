"""Models of tables as one header: their columns, all their networks, and the mean."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from handnn.arrays import Array
from handnn.exchange.c.header import c_copy, header
from handnn.exchange.c.reals import bytes_in_c
from handnn.exchange.c.steps import Answer, Bend, BothClasses, Fill, Look, OneHot, Scale, Step
from handnn.exchange.table_row import TableRow, shown
from handnn.layers import Embedding
from handnn.network import Network
from handnn.tables import NumberColumn, TableModel

ROWS = 8
"""How many rows a header is tested with: one has nothing but gaps, one nothing but new labels."""


def table_header(model: TableModel, name: str = "model", target: str = "") -> str:
    """Return a header in C99 with ``void model_predict(const real *x, real *y)``.

    real is float, or double for a float64 model. target: what is predicted, for people. Raises
    what `handnn.to_c` raises.
    """
    row = TableRow(model, target)
    _check(row)
    return header(
        [c_copy(Network(_bricks(row, network))) for network in model.networks],
        name,
        steps={f"step {place}": step for place, step in enumerate(steps_of(row))},
        answer=_answer(row),
        x=_drawn(row),
        promise=_promise(row),
        told=_told(row, name),
        more=_lookups(row),
    )


def _check(row: TableRow) -> None:
    """Raise ValueError, naming the column, for numbers that the networks' dtype cannot hold."""
    dtype, target = row.model.dtype, row.model.target
    parts: list[tuple[str, str, Any]] = [
        (f"column {column!r:.80}", name, getattr(number, name))
        for column, number in row.numbers.items()
        for name in ("median", "mean", "scale", "knots")
    ]
    if target.task == "regression":
        parts += [("the target", name, getattr(target, name)) for name in ("mean", "scale")]
    for part, name, values in parts:
        with np.errstate(all="ignore"):
            rounded = np.asarray(values, np.float64).astype(dtype)
        if not np.isfinite(rounded).all() or (name == "scale" and not rounded.all()):
            raise ValueError(
                f"to_c: {part}: its {name}, {values!s:.60}, is no number of {dtype}; make the "
                "networks float64"
            )
    for column, category in row.codes.items():
        try:
            Look(_floats(category.labels)).rounded(dtype)
        except (OverflowError, ValueError) as error:
            raise ValueError(f"to_c: column {column!r:.80}: {error}") from None


def steps_of(row: TableRow) -> list[Step]:
    """Return what `Columns.transform` does, as steps: numbers, indicators, and codes or 0 and 1.

    In float32 the mean of a column is taken off in two parts, which together have twice the digits:
    what is left of x is then as exact as x.
    """
    count, dtype = len(row.numbers), row.model.dtype
    # A gap among the categories becomes its code; where labels are numbers, `Look` sees to that.
    missing = [
        np.nan if name in row.codes else len(category.labels)
        for name, category in row.categories.items()
    ]
    steps: list[Step] = [Fill([*row.settings("median"), *missing], row.gaps)]
    for place, number in enumerate(row.numbers.values()):
        if number.knots:
            steps.append(Bend(number.knots, number.levels, place))
    for place, (name, category) in enumerate(row.categories.items(), count):
        if name in row.codes:
            steps.append(Look(_floats(category.labels), place))
    rest = len(row.categories) + len(row.gaps)
    mean = row.settings("mean")
    scale = np.append(row.settings("scale"), np.ones(rest))
    if mean.any() or (scale != 1).any():
        high = mean.astype(dtype).astype(np.float64)
        if (mean != high).any():
            steps.append(Scale(np.append(high, np.zeros(rest)), 1))
            mean = mean - high
        steps.append(Scale(np.append(mean, np.zeros(rest)), scale))
    if row.is_one_hot:  # each takes its column out, so that the next one's is in its place
        steps += [
            OneHot(category.n_one_hot, count)
            for category in row.categories.values()
            if category.n_one_hot
        ]
    return steps


def _bricks(row: TableRow, network: Network) -> Iterator[Any]:
    """Yield the bricks of a network that takes [numbers, codes, indicators] of `Fill`.

    `Columns` has the codes last; each Embedding takes its column out, so that the next one's is in
    its place, and what lies behind them is the same.
    """
    for layer in row.answering(network):
        if isinstance(layer, Embedding) and not row.is_one_hot:
            yield Embedding(layer.w, column=len(row.numbers))
        else:
            yield layer


def _answer(row: TableRow) -> Answer | None:
    target = row.model.target
    if target.task == "regression":
        return Scale(target.mean, target.scale)
    return BothClasses() if target.task == "binary" else None


def _drawn(row: TableRow) -> Array:
    """Return rows as the model sees them: around the mean, labels and codes, gaps, new labels."""
    rng = np.random.default_rng(0)
    columns = []
    for number in row.numbers.values():
        columns.append(_likely(number, rng))
        columns[-1][-1] = np.nan
    for name, category in row.categories.items():
        count = len(category.labels)
        codes = rng.integers(0, count, ROWS).astype(np.float64)
        if name in row.codes:
            codes = np.array(_floats(category.labels))[codes.astype(np.int64)]
            codes[-2] = codes.max() + abs(codes.max()) + 1
        else:
            codes[-2] = count + 1
        codes[-1] = np.nan
        columns.append(codes)
    x: Array = np.stack(columns, axis=1).astype(row.model.dtype)
    return x


def _likely(number: NumberColumn, rng: np.random.Generator) -> Array:
    """Return numbers as a column has them."""
    if number.knots:
        return rng.uniform(number.knots[0], number.knots[-1], ROWS)
    return rng.normal(number.mean, number.scale, ROWS)


def _told(row: TableRow, name: str) -> str:
    """Return lines of a comment: what each number of a row is, and each that comes out."""
    lines = [f"x[{place}]  {column}" for place, column in enumerate(row.numbers)]
    for place, (column, category) in enumerate(row.categories.items(), len(row.numbers)):
        if column in row.texts:
            codes = shown(category.labels)
            lines.append(f"x[{place}]  {column}, the code that {name}_code({place}, text) gives: ")
            lines[-1] += f"{codes}; {len(category.labels) + 1} for any other"
        else:
            labels = ", ".join(map(str, _floats(category.labels)[:20]))
            lines.append(f"x[{place}]  {column}, a number that tells kinds apart: {labels}")
            lines[-1] += ", ..." if len(category.labels) > 20 else ""
    lines += [f"y[{place}]  {output}" for place, output in enumerate(row.outputs)]
    told = [f"Predicts {row.target}. NAN stands for what is missing.", "", *lines]
    wrapped = [
        textwrap.fill(in_comment(line), 96, initial_indent="   ", subsequent_indent=" " * 8)
        for line in told
    ]
    return "\n".join(wrapped) + "\n\n"


def _promise(row: TableRow) -> str:
    """Return which bits the results have: Columns and Target compute in float64."""
    task = row.model.target.task
    function = f"handnn's TableModel.predict{'' if task == 'regression' else '_proba'}"
    if row.model.dtype == np.float64:
        return f"the bits of {function}"
    return f"the same bits everywhere, close to those of\n   {function}, which scales in double"


def in_comment(text: str) -> str:
    """Return text that may stand within a comment of C: ASCII, in one line, no end of it."""
    plain = text.encode("unicode_escape").decode("ascii").replace("\\\\", "\\")
    for first, last in (("*", "/"), ("/", "*"), ("?", "?")):
        while first + last in plain:
            plain = plain.replace(first + last, f"{first} {last}")
    return plain


def _lookups(row: TableRow) -> str:
    """Return the labels that are text as bytes of UTF-8, and the function that looks them up."""
    if not row.texts:
        return ""
    arrays, cases = "", ""
    for place, (name, category) in enumerate(row.categories.items(), len(row.numbers)):
        if name not in row.texts:
            continue
        what = f"column {name!r:.80} has the category"
        data = b"".join(utf8(label, what) for label in category.labels)
        arrays += (
            f"/* The labels of x[{place}], in UTF-8, each with a 0 behind it. */\n"
            f"MODEL_ARRAY unsigned char model_labels_{place}[{len(data)}] = {{\n"
            f"  {bytes_in_c(data)}}};\n\n"
        )
        cases += f"    case {place}:\n      return model_label(text, model_labels_{place}, "
        cases += f"{len(category.labels)});\n"
    return (
        f"{arrays}/* The code of a text for x[column], the column one of categories: NAN where text"
        " is NULL\n   or empty. */\n"
        "static inline real model_code(size_t column, const char *text) {\n"
        f"  switch (column) {{\n{cases}    default:\n      return (real)NAN;\n  }}\n}}\n\n"
    )


def utf8(text: str, what: str) -> bytes:
    """Return a text as C has it, with a 0 behind it; ValueError when it has one within."""
    try:
        data = text.encode()
    except UnicodeEncodeError:
        data = b"\0"
    if b"\0" in data:
        raise ValueError(f"to_c: {what} {text!r:.50}, which is no text that C can hold")
    return data + b"\0"


def _floats(labels: Iterable[Any]) -> list[float]:
    """Return labels that are numbers or bools as floats."""
    return [float(label) for label in labels]
