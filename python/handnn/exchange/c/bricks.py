"""The statements of each brick: calls of functions in the header."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from handnn.arrays import Array
from handnn.exchange.c.program import Buffer, Program
from handnn.exchange.c.reals import number
from handnn.layers import (
    ACTIVATIONS,
    Activation,
    Affine,
    BatchNorm,
    Brick,
    Embedding,
    Layer,
    LayerNorm,
    Residual,
    is_ours,
)

AddCode = Callable[[Program, Any, Buffer], Buffer]
"""Adds the statements that apply a brick to a row, and returns the output row."""

MIN_DOT_TERMS = 32
"""The least number of inputs of an affine with one output whose sum has several chains."""


def add_bricks(program: Program, layers: Iterable[Brick], x: Buffer, place: str = "") -> Buffer:
    """Add the bricks in order and return the last row. All are in `BRICKS`: see `copy_of_ours`."""
    for index, layer in enumerate(layers):
        assert is_ours(layer)
        program.place = f"{place}{index}_"
        x = BRICKS[type(layer).__name__](program, layer, x)
    return x


def _activation(program: Program, layer: Activation, x: Buffer) -> Buffer:
    """Call the function of the brick's kind for each entry, with its numeric settings."""
    settings = [s for s in layer.settings.values() if isinstance(s, int | float)]
    return program.each(layer.kind, x, *(number(setting, program.real) for setting in settings))


def _note(layer: Layer, name: str, *letters: str) -> str:
    return f"{layer}: {name} ({', '.join(letters)})"


def _affine(program: Program, layer: Affine, x: Buffer) -> Buffer:
    w = program.array("w", layer.w, _note(layer, "w", "I", "O"))
    b = program.array("b", layer.b, _note(layer, "b", "O"))
    inputs, outputs = layer.w.shape
    if outputs == 1 and inputs >= MIN_DOT_TERMS:
        return program.call("dot", x, outputs, w, b, inputs)
    return program.call("affine", x, outputs, w, b, inputs, outputs)


def _batch_norm(program: Program, layer: BatchNorm, x: Buffer) -> Buffer:
    """(x - mean)·scale + beta, with the scale computed here as the kernel computes it."""
    one = program.dtype.type(1)
    eps = program.dtype.type(layer.eps)
    scale: Array = layer.gamma * (one / np.sqrt(layer.running_var + eps))
    names = [
        program.array("mean", layer.running_mean, _note(layer, "mean", "O")),
        program.array("scale", scale, _note(layer, "gamma / deviation", "O")),
        program.array("beta", layer.beta, _note(layer, "beta", "O")),
    ]
    return program.call_in_place("batch_norm", x, *names, x.columns)


def _embedding(program: Program, layer: Embedding, x: Buffer) -> Buffer:
    w = program.array("w", layer.w, _note(layer, "w", "K", "D"))
    codes, size = layer.w.shape
    arguments = w, x.columns, codes, size, layer.column
    return program.call("embedding", x, x.columns - 1 + size, *arguments)


def _layer_norm(program: Program, layer: LayerNorm, x: Buffer) -> Buffer:
    gamma = program.array("gamma", layer.gamma, _note(layer, "gamma", "O"))
    beta = program.array("beta", layer.beta, _note(layer, "beta", "O"))
    eps = number(layer.eps, program.real)
    return program.call_in_place("layer_norm", x, gamma, beta, eps, x.columns)


def _residual(program: Program, layer: Residual, x: Buffer) -> Buffer:
    program.waiting.append(x.name)
    out = add_bricks(program, layer.block, x, program.place)
    program.waiting.pop()
    if out.name == x.name:  # the block is only Dropout
        return program.call_in_place("add", x, x.name, x.columns)
    return program.call_in_place("add", out, x.name, x.columns)


def _softmax(program: Program, layer: Layer, x: Buffer) -> Buffer:
    return program.call_in_place("softmax", x, x.columns)


BRICKS: Mapping[str, AddCode] = {
    **{activation.__name__: _activation for activation in ACTIVATIONS.values()},
    "Affine": _affine,
    "BatchNorm": _batch_norm,
    "Dropout": lambda program, layer, x: x,
    "Embedding": _embedding,
    "LayerNorm": _layer_norm,
    "Residual": _residual,
    "Softmax": _softmax,
}
"""The function that adds each brick, by its name."""
