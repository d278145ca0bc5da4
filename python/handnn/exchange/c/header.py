"""Networks to C: one header that predicts what the network predicts, without a heap or files."""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Sequence
from string import Template
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from handnn import functional
from handnn.arrays import Array, as_float
from handnn.exchange.c.bricks import BRICKS, STEPS, add_row, add_scale_out, add_step
from handnn.exchange.c.program import Program, Value
from handnn.exchange.c.reals import REALS, Real, numbers
from handnn.exchange.c.rows import drawn, input_columns
from handnn.exchange.c.steps import Scale, Step
from handnn.exchange.c.text import chosen, in_c, template
from handnn.exchange.copies import copy_of_ours
from handnn.layers.row import walk
from handnn.network import Network
from handnn.storage import replace_file


def to_c(
    network: Network,
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

    name: a word of C, in place of "model" in front of all that the header declares. x (N, I): the
    rows that it is tested with, 8 drawn ones if not given. steps: `Fill`, `Interpolate`, `Scale`
    and `OneHot` of `handnn.exchange.c`, done to a row in this order before the network sees it.
    scale_in = (mean, scale), each (I,) or a number: a last step (x - mean) / scale. scale_out =
    (mean, scale): at the end out·scale + mean. All of this is computed in the dtype of the network.

    Raises TypeError for a brick that is not one of handnn's or a step that is none of the four,
    ValueError for a name that C cannot have, shapes that do not fit, an array without entries, or
    when nothing fixes the number of columns; OSError when the file cannot be written.
    """
    given: object = name
    if not (isinstance(given, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", given)):
        raise ValueError(f"to_c: name must be an identifier of C, but is {name!r:.50}")
    copy = copy_of_ours(network, "to_c", "C", BRICKS)
    for place, layer in walk(copy.layers):
        brick: Any = layer
        if not all(array.size for array in (*brick.params.values(), *brick.buffers.values())):
            raise ValueError(f"to_c: layer {place} ({layer}) has an array without entries")
    steps = list(steps)
    for index, step in enumerate(steps):
        if type(step) not in STEPS:
            raise TypeError(f"to_c: step {index} ({type(step).__name__}) is no step of ours")
    if scale_in is not None:
        steps.append(Scale(*scale_in))
    out_scale = None if scale_out is None else Scale(*scale_out)
    text = _Header(copy, name, steps, out_scale, x).text()
    if path is not None:
        replace_file(path, text.encode("ascii"))
    return text


class _Header:
    """A network, what is done before and behind it, and the rows to test with."""

    def __init__(
        self,
        network: Network,
        name: str,
        steps: Sequence[Step],
        scale_out: Scale | None,
        x: ArrayLike | None,
    ) -> None:
        self.network = network
        self.name = name
        self.steps = steps
        self.scale_out = scale_out
        self.real: Real = REALS[network.dtype.name]
        self.columns = input_columns(network, steps, x)
        rows = drawn(network, steps, self.columns) if x is None else x
        self.x = as_float(rows, network.dtype, "to_c: x")
        self.y = self._predictions()

    def _predictions(self) -> Array:
        """Return what the header is to give for the rows."""
        x = self.x
        for step in self.steps:
            step.columns(x.shape[1])
            x = step.apply(x)
        y = self.network.predict(x)
        return y if self.scale_out is None else self.scale_out.undo(y)

    def text(self) -> str:
        """Return the header."""
        program = Program(self.real, self.network.dtype)
        value = Value("x", self.columns)
        for index, step in enumerate(self.steps):
            value = add_step(program, step, index, value)
        value = add_row(program, self.network.layers, value)
        if self.scale_out is not None:
            value = add_scale_out(program, self.scale_out, value)
        program.finish(value)
        fields = self._fields(program)
        check = Template(template("check")).substitute(fields)
        main = Template(template("main")).substitute(fields)
        text = Template(template("header")).substitute(
            fields,
            functions=chosen(program.functions, self.real),
            constants=program.constants(),
            statements=program.body(),
            check=check,
            main=main,
        )
        return in_c(text.replace("→", "->"), self.real, self.name)

    def _fields(self, program: Program) -> dict[str, object]:
        from importlib.metadata import version

        outputs, itemsize = self.y.shape[1], self.network.dtype.itemsize
        return {
            "description": textwrap.fill(f"@: {self.network!r}", 96, subsequent_indent="   "),
            "version": version("handnn"),
            "digits": np.finfo(self.network.dtype).nmant + 1,
            "bits": self.real.bits,
            "real_digits": self.real.digits,
            "real_name": self.real.name,
            "inputs": self.columns,
            "outputs": outputs,
            "rows": len(self.x),
            "constant_bytes": sum(array.nbytes for array, _ in program.arrays.values()),
            "scratch_bytes": sum(program.rooms.values()) * itemsize,
            "allowed": "0" if _rounds_once() else "DBL_MAX",
            "vectors": "\n".join(
                f"MODEL_ARRAY real model_test_{letter}[{array.size}] = {{\n"
                f"  {numbers(array, self.real)}}};"
                for letter, array in (("x", self.x), ("y", self.y))
            ),
        }


def _rounds_once() -> bool:
    """Whether the rows' predictions here are those of a CPU with fused multiply-add."""
    square_less_1 = functional.affine_forward([[1 + 2.0**-30]], [[1 - 2.0**-30]], [-1.0])
    return bool(square_less_1[0, 0] != 0)
