"""The text of a header: one or more networks, the steps around them, and their mean."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import Template
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, as_float
from handnn.exchange.c.bricks import BRICKS, add_bricks
from handnn.exchange.c.program import Buffer, Program
from handnn.exchange.c.reals import REALS, number, numbers
from handnn.exchange.c.rows import columns_after, drawn, errors_of, input_columns
from handnn.exchange.c.step_code import add_answer, add_step
from handnn.exchange.c.steps import OutputStep, RowStep
from handnn.exchange.c.text import chosen, in_c, template
from handnn.exchange.copies import copy_of_ours
from handnn.layers import is_ours
from handnn.layers.sequence import walk
from handnn.network import Network


@dataclass(frozen=True)
class Wording:
    """The parts of a header's text that differ between networks and table models.

    promise: completes "the results have ...". comment: text that is inserted unchanged into the
    comment at the top.
    lookups: the function model_code and its labels, in the words of the templates (see `in_c`).
    """

    promise: str = "the bits of handnn's Network.predict"
    comment: str = ""
    lookups: str = ""


def c_copy(network: Network) -> Network:
    """Return a copy of a network that can be written in C; raise what `to_c` raises."""
    copy = copy_of_ours(network, "to_c", "C", BRICKS)
    for place, layer in walk(copy.layers):
        arrays = (*layer.params.values(), *layer.buffers.values()) if is_ours(layer) else ()
        if not all(array.size for array in arrays):
            raise ValueError(f"to_c: layer {place} ({layer}) has an array without entries")
    return copy


def header(
    networks: Sequence[Network],
    name: str,
    *,
    steps: Mapping[str, RowStep],
    answer: OutputStep | None = None,
    x: ArrayLike | None = None,
    wording: Wording | None = None,
) -> str:
    """Return the header of networks whose predictions are averaged.

    networks: copies from `c_copy`, of one dtype. steps: by their names in messages. answer: the
    step after each network. x (N, I): the test rows.
    """
    wording = wording or Wording()
    columns = input_columns(networks[0], steps, x)
    dtype = networks[0].dtype
    rows = as_float(
        drawn(networks[0], steps.values(), columns) if x is None else x, dtype, "to_c: x"
    )
    y = _predictions(networks, steps, answer, rows)
    program = Program(REALS[dtype.name], dtype)
    program.functions |= {"label"} if wording.lookups else set()
    _add_all(program, networks, steps.values(), answer, columns)
    fields = _fields(program, name, networks, rows, y)
    # A use of model_code in main: compilers warn of unused functions in the main file.
    use = "  (void)model_code(0, NULL);\n" if wording.lookups else ""
    fields |= {"promise": wording.promise, "uses": use}
    text = Template(template("header")).substitute(
        fields,
        functions=chosen(program.functions, program.real),
        constants=program.constants(),
        statements=program.body(),
        more=wording.lookups,
        check=Template(template("check")).substitute(fields),
        main=Template(template("main")).substitute(fields),
    )
    text = in_c(text.replace("→", "->"), program.real, name)
    checksum = crc32((wording.comment + text).encode("ascii"))
    text = text.replace("<checksum>", f"{checksum}UL")
    return text.replace("<comment>\n", wording.comment)


def _predictions(
    networks: Sequence[Network],
    steps: Mapping[str, RowStep],
    answer: OutputStep | None,
    rows: Array,
) -> Array:
    """Return the outputs of the header for `rows`, with its bits."""
    x = rows
    with np.errstate(all="ignore"):
        for where, step in steps.items():
            columns_after(step, where, x.shape[1])
            with errors_of(where):
                x = step.apply(x)
        needed = networks[0].sizes.get("in", x.shape[1])
        if needed != x.shape[1]:
            made = f" (the steps make {x.shape[1]} of them)" if steps else ""
            raise ValueError(
                f"to_c: x has {rows.shape[1]} columns{made} but the network expects {needed}"
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
    steps: Iterable[RowStep],
    answer: OutputStep | None,
    columns: int,
) -> None:
    """Add the steps, each network, and the mean of their predictions."""
    prepared = Buffer("x", columns)
    for index, step in enumerate(steps):
        prepared = add_step(program, step, index, prepared)
    if len(networks) == 1:
        out = add_bricks(program, networks[0].layers, prepared)
        program.finish(add_answer(program, answer, out))
        return
    program.waiting.append(prepared.name)
    total: Buffer | None = None
    for index, network in enumerate(networks):
        out = add_bricks(program, network.layers, prepared, f"n{index}_")
        out = add_answer(program, answer, out)
        if total is None:
            # The total is added to, so it must not be the row that the next network reads.
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
    """Return the values of the placeholders in the templates."""
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
        "scratch_bytes": sum(program.buffers.values()) * program.dtype.itemsize,
        "allowed": "0" if _rounds_once() else "DBL_MAX",
        "vectors": "\n".join(
            f"MODEL_ARRAY real model_test_{letter}[{array.size}] = {{\n  {numbers(array, real)}}};"
            for letter, array in (("x", x), ("y", y))
        ),
    }


def _rounds_once() -> bool:
    """Return whether predictions here use fused multiply-adds."""
    square_less_1 = functional.affine_forward([[1 + 2.0**-30]], [[1 - 2.0**-30]], [-1.0])
    return bool(square_less_1[0, 0] != 0)
