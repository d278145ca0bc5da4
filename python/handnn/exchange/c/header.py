"""The text of a header: one or more networks, the steps around them, and their mean."""

from __future__ import annotations

import re
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
from handnn.exchange.c.narrow import NarrowNetworks
from handnn.exchange.c.program import Buffer, Program
from handnn.exchange.c.reals import REALS, number, numbers
from handnn.exchange.c.rows import columns_after, drawn, errors_of, input_columns
from handnn.exchange.c.step_code import add_answer, add_step
from handnn.exchange.c.steps import OutputStep, RowStep, Scale
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
    lookups: the function model_code and its labels, in the notation of the templates (see `in_c`).
    file: the name of the file, by default that of the header with ".h".
    """

    promise: str = "the bits of handnn's Network.predict"
    comment: str = ""
    lookups: str = ""
    file: str = ""


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
    is_wide: bool = False,
) -> str:
    """Return the header of networks whose predictions are averaged.

    networks: copies from `c_copy`, of one dtype. steps: by their names in messages. answer: the
    step after each network. x (N, I): the test rows. is_wide: whether the rows, the steps and the
    mean are of type double, also around networks in float32.
    """
    wording = wording or Wording()
    columns = input_columns(networks[0], steps, x)
    dtype = np.dtype(np.float64) if is_wide else networks[0].dtype
    rows = as_float(
        drawn(networks[0], steps.values(), columns) if x is None else x, dtype, "to_c: x"
    )
    y = _predictions(networks, steps, answer, rows)
    program = Program(REALS[dtype.name], dtype)
    program.functions |= {"label"} if wording.lookups else set()
    inner = _add_all(program, networks, steps.values(), answer, columns)
    narrow = "" if inner is None else inner.text(name)
    fields = _fields(program, name, networks, rows, y)
    # A use of model_code in main: compilers warn of unused functions in the main file.
    use = "  (void)model_code(0, NULL);\n" if wording.lookups else ""
    is_plain = re.fullmatch(r"[\w.+-]+", wording.file, re.ASCII)
    file = wording.file if is_plain else f"{name}.h"
    fields |= {"promise": wording.promise, "uses": use, "file": file}
    text = Template(template("header")).substitute(
        fields,
        functions=chosen(program.functions, program.real),
        constants=program.constants() + ("<networks>\n" if narrow else ""),
        statements=program.body(),
        more=wording.lookups,
        check=Template(template("check")).substitute(fields),
        main=Template(template("main")).substitute(fields),
    )
    text = in_c(text.replace("→", "->"), program.real, name).replace("<networks>\n", narrow)
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
            answers = [network.predict(x.astype(network.dtype)) for network in networks]
        if answer is not None:
            with errors_of("scale_out"):
                answer.columns(answers[0].shape[1])
                scaled = x.dtype if isinstance(answer, Scale) else networks[0].dtype
                answers = [answer.undo(y.astype(scaled)) for y in answers]
        answers = [y.astype(x.dtype) for y in answers]
        total = answers[0]
        for other in answers[1:]:
            total = total + other
        mean = total if len(answers) == 1 else total / x.dtype.type(len(answers))
        if not isinstance(answer, Scale):
            mean = mean.astype(networks[0].dtype).astype(x.dtype)
        return mean


def _add_all(
    program: Program,
    networks: Sequence[Network],
    steps: Iterable[RowStep],
    answer: OutputStep | None,
    columns: int,
) -> NarrowNetworks | None:
    """Add the steps, each network, and the mean of their predictions.

    Returns the networks if their dtype differs from that of the program.
    """
    prepared = Buffer("x", columns)
    for index, step in enumerate(steps):
        prepared = add_step(program, step, index, prepared)
    inner = None
    if networks[0].dtype != program.dtype:
        inner = NarrowNetworks(program, networks[0].dtype)

    def added(place: int) -> Buffer:
        if inner is not None:
            return inner.add(networks[place], place, prepared, answer)
        prefix = "" if len(networks) == 1 else f"n{place}_"
        out = add_bricks(program, networks[place].layers, prepared, prefix)
        return add_answer(program, answer, out)

    if len(networks) == 1:
        program.finish(added(0))
        return inner
    program.waiting.append(prepared.name)
    total: Buffer | None = None
    for place in range(len(networks)):
        out = added(place)
        if total is None:
            # The total is accumulated, so it must not be the row that the next network reads.
            is_kept = out.name in program.waiting
            total = program.call("copy", out, out.columns, out.columns) if is_kept else out
            program.waiting.append(total.name)
        else:
            arguments = f"{{out}}, {total.name}, {out.name}, {out.columns}"
            program.add("add", f"model_add({arguments});", total)
    assert total is not None
    program.waiting.clear()
    count = number(len(networks), program.real)
    mean = program.call_in_place("divide", total, count, total.columns)
    if inner is not None and not isinstance(answer, Scale):  # probabilities are float32
        rounded = f"for (i = 0; i < {mean.columns}; ++i) {{out}}[i] = (float){mean.name}[i];"
        mean = program.add("", rounded, mean)
    program.finish(mean)
    return inner


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
        "constant_bytes": program.constant_bytes,
        "scratch_bytes": program.scratch_bytes,
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
