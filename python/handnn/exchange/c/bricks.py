"""Each brick in C, as a function of the header or two; and each step before them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import numpy as np

from handnn.arrays import Array
from handnn.exchange.c.program import Program, Value
from handnn.exchange.c.reals import number
from handnn.exchange.c.steps import Answer, Bend, Fill, Look, OneHot, Scale, Step
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


def add_answer(program: Program, answer: Answer | None, x: Value) -> Value:
    """Add x·scale + mean, or the probabilities of both classes, and return what comes out."""
    program.place = "out_"
    if isinstance(answer, Scale):
        mean, factor = _arrays_of_scale(program, answer, x)
        return program.call_in_place("rescale", x, mean, factor, x.columns)
    return x if answer is None else program.call("both_classes", x, 2)


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
    name = program.array("median", step.medians(x.columns, program.dtype), "medians (I)")
    one, zero = (number(value, program.real) for value in (1, 0))
    lines = [f"model_fill({{out}}, {x.name}, {name}, {x.columns});"]
    for place, column in enumerate(ones, x.columns):
        value = f"{x.name}[{column}]"
        lines.append(f"{{out}}[{place}] = {value} != {value} ? {one} : {zero};")
    return program.add("fill", "\n".join(lines), program.room(x.columns + len(ones), x.name))


def _scale(program: Program, step: Scale, x: Value) -> Value:
    return program.call_in_place("standardize", x, *_arrays_of_scale(program, step, x), x.columns)


def _one_hot(program: Program, step: OneHot, x: Value) -> Value:
    columns = step.columns(x.columns)
    return program.call("one_hot", x, columns, x.columns, step.count, step.column)


def _bend(program: Program, step: Bend, x: Value) -> Value:
    names = ["knots", "levels", "slopes"]
    arrays = [
        program.array(name, array, f"{name} of column {step.column} (K)")
        for name, array in zip(names, step.points(program.dtype), strict=True)
    ]
    count = program.arrays[arrays[0]][0].size
    return _column(program, "bend", step.column, x, *arrays, count)


def _look(program: Program, step: Look, x: Value) -> Value:
    labels = step.rounded(program.dtype)
    name = program.array("labels", labels, f"labels of column {step.column} (K)")
    return _column(program, "look", step.column, x, name, len(labels))


def _column(program: Program, function: str, column: int, x: Value, *arguments: object) -> Value:
    """Change one column of a row, in a room of its own."""
    if x.name == "x":
        x = program.call("copy", x, x.columns, x.columns)
    words = ", ".join(map(str, (f"{{out}}[{column}]", *arguments)))
    return program.add(function, f"{{out}}[{column}] = model_{function}({words});", x)


STEPS: Mapping[type, Callable[[Program, Any, Value], Value]] = {
    Bend: _bend,
    Fill: _fill,
    Look: _look,
    OneHot: _one_hot,
    Scale: _scale,
}
