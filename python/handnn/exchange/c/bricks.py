"""Each brick in C, as a function of the header or two; and each step before them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import numpy as np

from handnn.arrays import Array
from handnn.exchange.c.program import Program, Value
from handnn.exchange.c.reals import number
from handnn.exchange.c.steps import Fill, Interpolate, OneHot, Scale, Step
from handnn.layers import Brick


def add_row(program: Program, layers: Iterable[Brick], x: Value, place: str = "") -> Value:
    """Add what the bricks in a row do to x, and return what comes out."""
    for index, layer in enumerate(layers):
        program.place = f"{place}{index}_"
        x = BRICKS[type(layer).__name__](program, layer, x)
    return x


def add_step(program: Program, step: Step, index: int, x: Value) -> Value:
    """Add a step, and return what comes out."""
    program.place = f"in_{index}_"
    return STEPS[type(step)](program, cast(Any, step), x)


def add_scale_out(program: Program, scale: Scale, x: Value) -> Value:
    """Add x·scale + mean."""
    program.place = "out_"
    mean, factor = _arrays_of_scale(program, scale, x)
    return program.call_in_place("rescale", x, mean, factor, x.columns)


def _arrays_of_scale(program: Program, scale: Scale, x: Value) -> tuple[str, str]:
    mean, factor = scale.arrays(x.columns, program.dtype)
    note = f"({x.columns})"
    return program.array("mean", mean, f"mean {note}"), program.array("scale", factor, note)


def _activation(name: str, setting: str = "") -> Callable[[Program, Any, Value], Value]:
    def add(program: Program, layer: Any, x: Value) -> Value:
        settings = [number(getattr(layer, setting), program.real)] if setting else []
        return program.each(name, x, *settings)

    return add


def _note(layer: Any, name: str, *letters: str) -> str:
    return f"{layer}: {name} ({', '.join(letters)})"


def _affine(program: Program, layer: Any, x: Value) -> Value:
    w = program.array("w", layer.w, _note(layer, "w", "I", "O"))
    b = program.array("b", layer.b, _note(layer, "b", "O"))
    inputs, outputs = layer.w.shape
    return program.call("affine", x, outputs, w, b, inputs, outputs)


def _batch_norm(program: Program, layer: Any, x: Value) -> Value:
    """(x - mean)·scale + beta, the scale computed once, as in the kernel."""
    one = program.dtype.type(1)
    eps = program.dtype.type(layer.eps)
    scale: Array = layer.gamma * (one / np.sqrt(layer.running_var + eps))
    names = [
        program.array("mean", layer.running_mean, _note(layer, "mean", "O")),
        program.array("scale", scale, _note(layer, "gamma / deviation", "O")),
        program.array("beta", layer.beta, _note(layer, "beta", "O")),
    ]
    return program.call_in_place("batch_norm", x, *names, x.columns)


def _embedding(program: Program, layer: Any, x: Value) -> Value:
    w = program.array("w", layer.w, _note(layer, "w", "K", "D"))
    codes, size = layer.w.shape
    arguments = w, x.columns, codes, size, layer.column
    return program.call("embedding", x, x.columns - 1 + size, *arguments)


def _gelu(program: Program, layer: Any, x: Value) -> Value:
    return program.each("gelu" if layer.form == "erf" else "gelu_tanh", x)


def _layer_norm(program: Program, layer: Any, x: Value) -> Value:
    gamma = program.array("gamma", layer.gamma, _note(layer, "gamma", "O"))
    beta = program.array("beta", layer.beta, _note(layer, "beta", "O"))
    eps = number(layer.eps, program.real)
    return program.call_in_place("layer_norm", x, gamma, beta, eps, x.columns)


def _residual(program: Program, layer: Any, x: Value) -> Value:
    program.waiting.append(x.name)
    out = add_row(program, layer.block, x, program.place)
    program.waiting.pop()
    if out.name == x.name:  # nothing but Dropout in it
        return program.call_in_place("add", x, x.name, x.columns)
    return program.call_in_place("add", out, x.name, x.columns)


def _softmax(program: Program, layer: Any, x: Value) -> Value:
    return program.call_in_place("softmax", x, x.columns)


BRICKS: Mapping[str, Callable[[Program, Any, Value], Value]] = {
    "Affine": _affine,
    "BatchNorm": _batch_norm,
    "Dropout": lambda program, layer, x: x,
    "ELU": _activation("elu", "alpha"),
    "Embedding": _embedding,
    "GELU": _gelu,
    "LayerNorm": _layer_norm,
    "LeakyReLU": _activation("leaky_relu", "slope"),
    "ReLU": _activation("relu"),
    "Residual": _residual,
    "Sigmoid": _activation("sigmoid"),
    "SiLU": _activation("silu"),
    "Softmax": _softmax,
    "Softplus": _activation("softplus"),
    "Tanh": _activation("tanh"),
}
"""What adds the statements of a brick, by its name, and returns what comes out."""


def _fill(program: Program, step: Fill, x: Value) -> Value:
    ones = step.indicators(x.columns)
    median = np.broadcast_to(np.asarray(step.median, program.dtype), (x.columns,))
    name = program.array("median", median, "medians (I)")
    one, zero = (number(value, program.real) for value in (1, 0))
    lines = [f"model_fill({{out}}, {x.name}, {name}, {x.columns});"]
    for place, column in enumerate(ones, x.columns):
        value = f"{x.name}[{column}]"
        lines.append(f"{{out}}[{place}] = {value} != {value} ? {one} : {zero};")
    return program.add("fill", "\n".join(lines), program.room(x.columns + len(ones), x.name))


def _interpolate(program: Program, step: Interpolate, x: Value) -> Value:
    points = step.points(program.dtype)
    if not any(len(knots) for knots, _ in points):
        return x
    knots = program.array("knots", np.concatenate([k for k, _ in points]), "knots, by column")
    levels = program.array("levels", np.concatenate([v for _, v in points]), "levels of knots")
    lines, first = [], 0
    for column, (found, _) in enumerate(points):
        value, count = f"{x.name}[{column}]", len(found)
        if count:
            at = f"{knots} + {first}, {levels} + {first}, {count}"
            value = f"model_interpolate({value}, {at})"
        lines.append(f"{{out}}[{column}] = {value};")
        first += count
    return program.add("interpolate", "\n".join(lines), program.room(x.columns, x.name))


def _scale(program: Program, step: Scale, x: Value) -> Value:
    return program.call_in_place("standardize", x, *_arrays_of_scale(program, step, x), x.columns)


def _one_hot(program: Program, step: OneHot, x: Value) -> Value:
    columns = step.columns(x.columns)
    return program.call("one_hot", x, columns, x.columns, step.count, step.column)


STEPS: Mapping[type, Callable[[Program, Any, Value], Value]] = {
    Fill: _fill,
    Interpolate: _interpolate,
    OneHot: _one_hot,
    Scale: _scale,
}
