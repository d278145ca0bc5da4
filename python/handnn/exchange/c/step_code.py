"""The statements of each step around a network: calls of functions in the header."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from handnn.exchange.c.program import Buffer, Program
from handnn.exchange.c.reals import number
from handnn.exchange.c.steps import (
    Bins,
    Cycles,
    Fill,
    Interpolate,
    LookUp,
    OneHot,
    OutputStep,
    Rates,
    RowStep,
    Scale,
)


def add_step(program: Program, step: RowStep, index: int, x: Buffer) -> Buffer:
    """Add step number `index` before the network, and return its output row."""
    program.place = f"in_{index}_"
    return STEPS[type(step)](program, step, x)


def add_answer(program: Program, answer: OutputStep | None, x: Buffer) -> Buffer:
    """Add the step after the network, if any, and return its output row."""
    program.place = "out_"
    if isinstance(answer, Scale):
        if isinstance(answer, Rates):
            x = program.each("exp", x)
        mean, factor = _arrays_of_scale(program, answer, x)
        return program.call_in_place("rescale", x, mean, factor, x.columns)
    return x if answer is None else program.call("both_classes", x, 2)


def _arrays_of_scale(program: Program, scale: Scale, x: Buffer) -> tuple[str, str]:
    mean, factor = scale.arrays(x.columns, program.dtype)
    note = f"({x.columns})"
    return program.array("mean", mean, f"mean {note}"), program.array("scale", factor, note)


def _fill(program: Program, step: Fill, x: Buffer) -> Buffer:
    ones = step.indicators(x.columns)
    name = program.array("median", step.medians(x.columns, program.dtype), "medians (I)")
    one, zero = (number(value, program.real) for value in (1, 0))
    lines = [f"model_fill({{out}}, {x.name}, {name}, {x.columns});"]
    for place, column in enumerate(ones, x.columns):
        value = f"{x.name}[{column}]"
        lines.append(f"{{out}}[{place}] = {value} != {value} ? {one} : {zero};")
    return program.add("fill", "\n".join(lines), program.buffer(x.columns + len(ones), x.name))


def _cycles(program: Program, step: Cycles, x: Buffer) -> Buffer:
    real, copied = program.real, x.columns
    lines = [f"model_copy({{out}}, {x.name}, {copied});"]
    for period in step.periods:
        for shift in (0, 0.25):
            words = f"{x.name}[{step.column}], {number(period, real)}, {number(shift, real)}"
            lines.append(f"{{out}}[{copied}] = model_sine({words});")
            copied += 1
    program.functions.add("copy")
    return program.add("sine", "\n".join(lines), program.buffer(copied, x.name))


def _bins(program: Program, step: Bins, x: Buffer) -> Buffer:
    edges = step.rounded(program.dtype)
    note = f"edges of column {step.column} (B + 1)"
    name, count = program.array("edges", edges, note), len(edges) - 1
    lines = [
        f"model_copy({{out}}, {x.name}, {x.columns});",
        f"model_bins({{out}} + {x.columns}, {x.name}[{step.column}], {name}, {count});",
    ]
    program.functions.add("copy")
    return program.add("bins", "\n".join(lines), program.buffer(x.columns + count, x.name))


def _scale(program: Program, step: Scale, x: Buffer) -> Buffer:
    return program.call_in_place("standardize", x, *_arrays_of_scale(program, step, x), x.columns)


def _one_hot(program: Program, step: OneHot, x: Buffer) -> Buffer:
    columns = step.columns(x.columns)
    return program.call("one_hot", x, columns, x.columns, step.count, step.column)


def _interpolate(program: Program, step: Interpolate, x: Buffer) -> Buffer:
    names = ["knots", "levels", "slopes"]
    arrays = [
        program.array(name, array, f"{name} of column {step.column} (K)")
        for name, array in zip(names, step.points(program.dtype), strict=True)
    ]
    count = program.arrays[arrays[0]][0].size
    return _column(program, "interpolate", step.column, x, *arrays, count)


def _look_up(program: Program, step: LookUp, x: Buffer) -> Buffer:
    labels = step.rounded(program.dtype)
    name = program.array("labels", labels, f"labels of column {step.column} (K)")
    return _column(program, "look_up", step.column, x, name, len(labels))


def _column(program: Program, function: str, column: int, x: Buffer, *arguments: object) -> Buffer:
    """Change one column of a row, which is copied unless it is in a buffer."""
    if x.name == "x":
        x = program.call("copy", x, x.columns, x.columns)
    words = ", ".join(map(str, (f"{{out}}[{column}]", *arguments)))
    return program.add(function, f"{{out}}[{column}] = model_{function}({words});", x)


STEPS: Mapping[type, Callable[[Program, Any, Buffer], Buffer]] = {
    Bins: _bins,
    Cycles: _cycles,
    Fill: _fill,
    Interpolate: _interpolate,
    LookUp: _look_up,
    OneHot: _one_hot,
    Scale: _scale,
}
"""The function that adds each type of step before a network."""
