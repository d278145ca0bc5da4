"""The ONNX nodes of each brick."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from handnn.arrays import Array
from handnn.exchange.onnx.graph import Graph, Value
from handnn.layers import (
    ELU,
    GELU,
    Affine,
    BatchNorm,
    Brick,
    Embedding,
    Layer,
    LayerNorm,
    LeakyReLU,
    Residual,
    is_ours,
)

AddNodes = Callable[[Graph, Any, Value], str]
"""Adds the nodes that apply a brick to a value, and returns the name of the output."""


def add_bricks(graph: Graph, layers: Iterable[Brick], x: Value, prefix: str = "") -> Value:
    """Add the bricks in order and return their output. All are in `NODES`: see `copy_of_ours`."""
    for index, layer in enumerate(layers):
        assert is_ours(layer)
        graph.place = f"{prefix}{index}."
        name = NODES[type(layer).__name__](graph, layer, x)
        change = layer.width_change
        width = None if x.columns is None or change is None else x.columns + change
        x = Value(name, layer.sizes.get("out", width))
    return x


def _operator(name: str, **attributes: object) -> AddNodes:
    """Return a function that adds the one operator that computes the brick."""
    return lambda graph, layer, x: graph.node(name, x.name, **attributes)


def _affine(graph: Graph, layer: Affine, x: Value) -> str:
    w, b = graph.array("weight", layer.w.T), graph.array("bias", layer.b)
    return graph.node("Gemm", x.name, w, b, transB=1)


def _batch_norm(graph: Graph, layer: BatchNorm, x: Value) -> str:
    """(x - mean)·scale + beta. BatchNormalization may subtract mean·scale, which cancels."""
    deviation = np.sqrt(layer.running_var.astype(np.float64) + layer.eps)
    scale: Array = (layer.gamma / deviation).astype(graph.dtype)
    centered = graph.node("Sub", x.name, graph.array("running_mean", layer.running_mean))
    scaled = graph.node("Mul", centered, graph.array("scale", scale))
    return graph.node("Add", scaled, graph.array("bias", layer.beta))


def _elu(graph: Graph, layer: ELU, x: Value) -> str:
    """max(x, 0) + alpha·(exp(min(x, 0)) - 1), exp(z) - 1 = 2t / (1 - t) with t = tanh(z / 2).

    Elu suffers from cancellation near 0, and ONNX Runtime does not implement it in float64.
    """
    zero, one = graph.number("zero", 0), graph.number("one", 1)
    half = graph.node("Mul", graph.node("Min", x.name, zero), graph.number("half", 0.5))
    t = graph.node("Tanh", half)
    above = graph.node("Mul", graph.number("two_alpha", 2 * layer.alpha), t)
    negative = graph.node("Div", above, graph.node("Sub", one, t))
    return graph.node("Add", graph.node("Max", x.name, zero), negative)


def _embedding(graph: Graph, layer: Embedding, x: Value) -> str:
    """Gather the column of codes, then their vectors; append these to the other columns."""
    column = graph.node("Gather", x.name, graph.whole("column", layer.column), axis=1)
    codes = graph.node("Cast", column, to=graph.onnx.TensorProto.INT64)
    vectors = graph.node("Gather", graph.array("weight", layer.w), codes, axis=0)
    parts = [
        graph.columns(x.name, first, 2**63 - 1 if last is None else last)
        for first, last in ((0, layer.column), (layer.column + 1, x.columns))
        if first != last
    ]
    return graph.node("Concat", *parts, vectors, axis=1)


def _gelu(graph: Graph, layer: GELU, x: Value) -> str:
    if layer.form == "tanh":  # (1 + tanh(u)) / 2 = sigmoid(2u) without cancellation
        square = graph.node("Mul", x.name, x.name)
        cubic = graph.node("Mul", square, graph.number("cubic", 0.044715))
        rest = graph.node("Add", cubic, graph.number("one", 1))
        scaled = graph.node("Mul", x.name, graph.number("scale", np.sqrt(8 / np.pi)))
        return graph.node("Mul", x.name, graph.gate(graph.node("Mul", scaled, rest)))
    erf = graph.node("Erf", graph.node("Mul", x.name, graph.number("scale", np.sqrt(0.5))))
    weight = graph.node("Add", erf, graph.number("one", 1))
    return graph.node("Mul", graph.node("Mul", x.name, graph.number("half", 0.5)), weight)


def _layer_norm(graph: Graph, layer: LayerNorm, x: Value) -> str:
    """The kernel's formula: the mean is corrected once, for rows far from 0."""
    rough = graph.node("ReduceMean", x.name, axes=[1])
    rest = graph.node("ReduceMean", graph.node("Sub", x.name, rough), axes=[1])
    centered = graph.node("Sub", x.name, graph.node("Add", rough, rest))
    variance = graph.node("ReduceMean", graph.node("Mul", centered, centered), axes=[1])
    deviation = graph.node("Sqrt", graph.node("Add", variance, graph.number("eps", layer.eps)))
    scaled = graph.node(
        "Mul", graph.node("Div", centered, deviation), graph.array("weight", layer.gamma)
    )
    return graph.node("Add", scaled, graph.array("bias", layer.beta))


def _leaky_relu(graph: Graph, layer: LeakyReLU, x: Value) -> str:
    if graph.dtype == np.float32:
        return graph.node("LeakyRelu", x.name, alpha=layer.slope)
    zero = graph.number("zero", 0)  # ONNX Runtime lacks LeakyRelu in float64
    below = graph.node("Mul", graph.node("Min", x.name, zero), graph.number("slope", layer.slope))
    return graph.node("Add", graph.node("Max", x.name, zero), below)


def _residual(graph: Graph, layer: Residual, x: Value) -> str:
    place = graph.place
    out = add_bricks(graph, layer.block, x, place)
    graph.place = place
    return graph.node("Add", x.name, out.name)


def _sigmoid(graph: Graph, layer: Layer, x: Value) -> str:
    return graph.gate(x.name)


def _silu(graph: Graph, layer: Layer, x: Value) -> str:
    return graph.node("Mul", x.name, graph.gate(x.name))


def _softplus(graph: Graph, layer: Layer, x: Value) -> str:
    """max(x, 0) + log(1 + e), e = exp(-|x|), corrected for the rounding of 1 + e.

    Softplus rounds small e away, and ONNX Runtime does not implement it in float64.
    """
    one = graph.number("one", 1)
    e = graph.node("Exp", graph.node("Neg", graph.node("Abs", x.name)))
    total = graph.node("Add", one, e)
    lost = graph.node("Sub", e, graph.node("Sub", total, one))
    log = graph.node("Add", graph.node("Log", total), graph.node("Div", lost, total))
    return graph.node("Add", graph.node("Max", x.name, graph.number("zero", 0)), log)


NODES: Mapping[str, AddNodes] = {
    "Affine": _affine,
    "BatchNorm": _batch_norm,
    "Dropout": lambda graph, layer, x: x.name,
    "ELU": _elu,
    "Embedding": _embedding,
    "GELU": _gelu,
    "LayerNorm": _layer_norm,
    "LeakyReLU": _leaky_relu,
    "ReLU": _operator("Relu"),
    "Residual": _residual,
    "Sigmoid": _sigmoid,
    "SiLU": _silu,
    "Softmax": _operator("Softmax", axis=1),
    "Softplus": _softplus,
    "Tanh": _operator("Tanh"),
}
"""The function that adds each brick, by its name."""
