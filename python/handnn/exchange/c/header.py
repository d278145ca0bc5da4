"""Networks to C: one header that predicts what the network predicts, without a heap or files."""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from string import Template
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, as_float
from handnn.exchange.c.bricks import BRICKS, STEPS, add_answer, add_row, add_step
from handnn.exchange.c.program import Program, Value
from handnn.exchange.c.reals import REALS, number, numbers
from handnn.exchange.c.rows import columns_after, drawn, errors_of, input_columns
from handnn.exchange.c.steps import Answer, Scale, Step
from handnn.exchange.c.text import chosen, in_c, template
from handnn.exchange.copies import copy_of_ours
from handnn.layers.sequence import walk
from handnn.network import Network
from handnn.storage import as_path, replace_file
from handnn.tables import TableModel


def to_c(
    network: Network | TableModel,
    path: str | os.PathLike[str] | None = None,
    *,
    name: str = "model",
    x: ArrayLike | None = None,
    steps: Sequence[Step] = (),
    scale_in: tuple[ArrayLike, ArrayLike] | None = None,
    scale_out: tuple[ArrayLike, ArrayLike] | None = None,
) -> str:
    """Return what `network.predict` does as a header in C99, and write it to `path` if given.

    Its function ``void model_predict(const float *x, float *y)`` (double for a float64 network)
    takes one row of I numbers and gives O, with the bits of `predict` wherever fma rounds once, NaN
    for a code that an Embedding does not have. It needs nothing but libm. The file is written all
    or nothing.

    network: a Network, or a TableModel. That has its own steps: a row is first its numbers, NaN in
        a gap, then its categories, in the order of the table; a category of text is the code that
        ``model_code(place, "label")`` gives. y are the values of a regression, else probabilities.
        All is computed in the networks' dtype: the bits of `predict` in float64, close in float32.
    name: a word of C, in place of "model" in front of all that the header declares.
    x (N, I): the rows that it is tested with, 8 drawn ones if not given.
    steps: `Fill`, `Scale`, `OneHot` ... of `handnn.exchange.c`, done to a row in this order before
        the network sees it.
    scale_in = (mean, scale), each (I,) or a number: a last step (x - mean) / scale.
    scale_out = (mean, scale): at the end out·scale + mean.

    All of this is computed in the dtype of the network. Raises TypeError for a brick that is not
    one of handnn's or a step that is none of ours, ValueError for a name that C cannot have, shapes
    that do not fit, an array without entries, x or a step for a TableModel, a category that C has
    no text for, or when nothing fixes the number of columns; OSError when the file cannot be
    written. Nothing is written then.
    """
    given: object = name
    if not (isinstance(given, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", given)):
        raise ValueError(f"to_c: name must be an identifier of C, but is {name!r:.50}")
    path = None if path is None else as_path(path, "to_c: path")
    if isinstance(network, TableModel):
        from handnn.exchange.c.table import table_header

        if x is not None or len(steps) or scale_in is not None or scale_out is not None:
            raise ValueError(
                "to_c: x, steps, scale_in and scale_out are for a Network; a TableModel has its own"
            )
        text = table_header(network, name)
    else:
        copy = c_copy(network)
        before = checked_steps(steps, scale_in)
        after = None if scale_out is None else scale_of(scale_out, "scale_out")
        text = header([copy], name, steps=before, answer=after, x=x)
    if path is not None:
        replace_file(path, text.encode("ascii"))
    return text


def c_copy(network: Network) -> Network:
    """Return a copy of a network that can be written in C; else raise what `to_c` raises."""
    copy = copy_of_ours(network, "to_c", "C", BRICKS)
    for place, layer in walk(copy.layers):
        brick: Any = layer
        if not all(array.size for array in (*brick.params.values(), *brick.buffers.values())):
            raise ValueError(f"to_c: layer {place} ({layer}) has an array without entries")
    return copy


def checked_steps(
    steps: Sequence[Step], scale_in: tuple[ArrayLike, ArrayLike] | None
) -> dict[str, Step]:
    """Return the steps, `scale_in` behind them, by what messages call them.

    Raises TypeError for what is no step of ours.
    """
    given: object = steps
    if not isinstance(given, Sequence):
        raise TypeError(f"to_c: steps must be a list of steps, but is a {type(given).__name__}")
    for index, step in enumerate(steps):
        if type(step) not in STEPS:
            known = ", ".join(kind.__name__ for kind in STEPS)
            raise TypeError(f"to_c: steps[{index}] ({type(step).__name__}) is none of {known}")
    found = {f"steps[{index}]": step for index, step in enumerate(steps)}
    return found if scale_in is None else {**found, "scale_in": scale_of(scale_in, "scale_in")}


def scale_of(pair: object, name: str) -> Scale:
    """Return (mean, scale) as a Scale; TypeError and ValueError name the argument."""
    if not (isinstance(pair, tuple | list) and len(pair) == 2):
        raise TypeError(f"to_c: {name} must be (mean, scale), but is {pair!r:.50}")
    with errors_of(name):
        return Scale(*pair)


def header(
    networks: Sequence[Network],
    name: str,
    *,
    steps: Mapping[str, Step],
    answer: Answer | None = None,
    x: ArrayLike | None = None,
    promise: str = "the bits of handnn's Network.predict",
    told: str = "",
    more: str = "",
) -> str:
    """Return the header of networks whose answers are averaged.

    networks: copies of handnn's own bricks, of one dtype. steps: by what messages call them.
    answer: what is done behind each network. x: the rows that it is tested with. promise: which
    bits the results have. told: what the comment at the top says besides; it is put there as it is.
    more: model_code and the labels behind predict, in the words of the templates (see `in_c`).
    """
    columns = input_columns(networks[0], steps, x)
    dtype = networks[0].dtype
    rows = as_float(
        drawn(networks[0], steps.values(), columns) if x is None else x, dtype, "to_c: x"
    )
    y = _predictions(networks, steps, answer, rows)
    program = Program(REALS[dtype.name], dtype)
    program.functions |= {"label"} if more else set()
    _add_all(program, networks, steps.values(), answer, columns)
    fields = _fields(program, name, networks, rows, y)
    # Compilers warn of what is not used in the file that they are called with.
    fields |= {"promise": promise, "uses": "  (void)model_code(0, NULL);\n" if more else ""}
    text = Template(template("header")).substitute(
        fields,
        functions=chosen(program.functions, program.real),
        constants=program.constants(),
        statements=program.body(),
        more=more,
        check=Template(template("check")).substitute(fields),
        main=Template(template("main")).substitute(fields),
    )
    text = in_c(text.replace("→", "->"), program.real, name)
    checksum = crc32((told + text).encode("ascii"))
    return text.replace("<checksum>", f"{checksum}UL").replace("<told>\n", told)


def _predictions(
    networks: Sequence[Network], steps: Mapping[str, Step], answer: Answer | None, rows: Array
) -> Array:
    """Return what the header is to give for the rows, with its bits."""
    x = rows
    with np.errstate(all="ignore"):
        for where, step in steps.items():
            columns_after(step, where, x.shape[1])
            with errors_of(where):
                x = step.apply(x)
        needed = networks[0].sizes.get("in", x.shape[1])
        if needed != x.shape[1]:
            made = f", of which the steps make {x.shape[1]}" if steps else ""
            raise ValueError(
                f"to_c: x has {rows.shape[1]} columns{made}, but the network takes {needed}"
            )
        with errors_of("x"):
            answers = [network.predict(x) for network in networks]
        if answer is not None:
            with errors_of("scale_out"):
                answer.columns(answers[0].shape[1])
                answers = [answer.undo(y) for y in answers]
        total = answers[0]
        for other in answers[1:]:
            total = total + other
        return total if len(answers) == 1 else total / x.dtype.type(len(answers))


def _add_all(
    program: Program,
    networks: Sequence[Network],
    steps: Iterable[Step],
    answer: Answer | None,
    columns: int,
) -> None:
    """Add the steps, every network behind them, and the mean of what they give."""
    prepared = Value("x", columns)
    for index, step in enumerate(steps):
        prepared = add_step(program, step, index, prepared)
    if len(networks) == 1:
        program.finish(add_answer(program, answer, add_row(program, networks[0].layers, prepared)))
        return
    program.waiting.append(prepared.name)
    total: Value | None = None
    for index, network in enumerate(networks):
        out = add_row(program, network.layers, prepared, f"n{index}_")
        out = add_answer(program, answer, out)
        if total is None:
            # Nothing may be added to a room that the next network reads from.
            is_kept = out.name in program.waiting
            total = program.call("copy", out, out.columns, out.columns) if is_kept else out
            program.waiting.append(total.name)
        else:
            arguments = f"{{out}}, {total.name}, {out.name}, {out.columns}"
            program.add("add", f"model_add({arguments});", total)
    assert total is not None
    program.waiting.clear()
    count = number(len(networks), program.real)
    program.finish(program.call_in_place("divide", total, count, total.columns))


def _fields(
    program: Program, name: str, networks: Sequence[Network], x: Array, y: Array
) -> dict[str, object]:
    from importlib.metadata import version

    real, count = program.real, len(networks)
    heading = f"@: {'' if count == 1 else f'the mean of {count} x '}{networks[0]!r}"
    return {
        "description": textwrap.fill(
            heading.replace("→", "->"), max(50, 97 - len(name)), subsequent_indent="   "
        ),
        "version": version("handnn"),
        "digits": np.finfo(program.dtype).nmant + 1,
        "bits": real.bits,
        "real_digits": real.digits,
        "real_name": real.name,
        "inputs": x.shape[1],
        "outputs": y.shape[1],
        "rows": len(x),
        "constant_bytes": sum(array.nbytes for array, _ in program.arrays.values()),
        "scratch_bytes": sum(program.rooms.values()) * program.dtype.itemsize,
        "allowed": "0" if _rounds_once() else "DBL_MAX",
        "vectors": "\n".join(
            f"MODEL_ARRAY real model_test_{letter}[{array.size}] = {{\n  {numbers(array, real)}}};"
            for letter, array in (("x", x), ("y", y))
        ),
    }


def _rounds_once() -> bool:
    """Whether the rows' predictions here are those of a CPU with fused multiply-add."""
    square_less_1 = functional.affine_forward([[1 + 2.0**-30]], [[1 - 2.0**-30]], [-1.0])
    return bool(square_less_1[0, 0] != 0)
