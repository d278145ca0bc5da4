"""Networks to ONNX: a graph that any of its runtimes predicts with."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handnn.arrays import Array
from handnn.exchange.copies import copy_of_ours
from handnn.layers import Brick
from handnn.layers.layer import Layer
from handnn.network import Network
from handnn.storage import as_path, replace_file
from handnn.tables import TableModel

OPSET = 13
"""The set of operators: the oldest that has all that is needed, so that most can read it."""

IR_VERSION = 7
"""The version of the file's own format: that of the first ONNX with this opset."""

MOST_BYTES = 2**31 - 2**20
"""Of the arrays: a model is one message of protobuf, which must stay below 2 GiB."""


def to_onnx(network: Network | TableModel, path: str | os.PathLike[str] | None = None) -> Any:
    """Return what `network.predict` does as an `onnx.ModelProto`, and write it to `path` if given.

    Its input "x" is (N, I) and its output "y" (N, O), N any number, both of the dtype of the
    network. The weights are named and shaped as PyTorch's ("0.weight" (O, I), "0.bias"). The file
    is written all or nothing, like that of `Network.save`.

    A TableModel takes its table as it is: numbers "x" float64, NaN in a gap, and categories "text",
    "" in a gap; see `table_to_onnx`. y are its values or probabilities.

    The model is of opset 13. Codes of an Embedding are not checked by it: some runtimes count
    negative ones from the end, and what a code has behind the decimal point is cut off.

    Raises TypeError for a brick that is not one of handnn's, ValueError when the arrays have 2 GiB
    or more, OSError when the file cannot be written, ImportError without onnx.
    """
    path = None if path is None else as_path(path, "to_onnx: path")
    if isinstance(network, TableModel):
        from handnn.exchange.onnx.table import table_to_onnx

        model = table_to_onnx(network)
    else:
        copy = copy_of_ours(network, "to_onnx", "ONNX", NODES)
        onnx = imported_onnx()
        check_size([copy])
        model = _model(onnx, copy)
    if path is not None:
        replace_file(path, model.SerializeToString())
    return model


def imported_onnx() -> Any:
    """Return the module onnx; ImportError that says what to install."""
    try:
        import onnx
    except ImportError:
        raise ImportError("to_onnx needs onnx: pip install onnx") from None
    return onnx


def check_size(networks: Iterable[Network]) -> None:
    """Raise ValueError when the params are more than one model can hold."""
    size = sum(array.nbytes for network in networks for array in network.params.values())
    if size > MOST_BYTES:
        raise ValueError(f"to_onnx: the params have {size:,} bytes, more than {MOST_BYTES:,}")


def _model(onnx: Any, network: Network) -> Any:
    widths = {end: network.sizes.get(end) for end in ("in", "out")}
    graph = Graph(onnx, network.dtype)
    out = graph.row(network.layers, Value("x", widths["in"]))
    graph.name_output(out.name, "y")
    kind = onnx.helper.np_dtype_to_tensor_dtype(network.dtype)
    ends = [
        onnx.helper.make_tensor_value_info(name, kind, ["N", widths[end] or letter])
        for name, end, letter in (("x", "in", "I"), ("y", "out", "O"))
    ]
    return finished_model(graph, ends[:1], ends[1:], repr(network), {})


def finished_model(
    graph: Graph, inputs: list[Any], outputs: list[Any], told: str, domains: Mapping[str, int]
) -> Any:
    """Return the model of a graph. domains: further sets of operators, with their versions."""
    from importlib.metadata import version

    helper = graph.onnx.helper
    made = helper.make_graph(graph.nodes, "handnn", inputs, outputs, graph.initializers)
    return helper.make_model(
        made,
        opset_imports=[helper.make_opsetid(*item) for item in [("", OPSET), *domains.items()]],
        ir_version=IR_VERSION,
        producer_name="handnn",
        producer_version=version("handnn"),
        doc_string=told,
    )


class Value(NamedTuple):
    """An array that flows through the graph: its name, and its columns where they are known."""

    name: str
    columns: int | None = None


class Graph:
    """The nodes and initializers of a graph while it grows, one brick after the other."""

    def __init__(self, onnx: Any, dtype: np.dtype[Any]) -> None:
        self.onnx = onnx
        self.dtype = dtype
        self.place = ""
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._names: dict[str, int] = {}

    def row(self, layers: Iterable[Brick], x: Value, prefix: str = "") -> Value:
        """Add what the bricks in a row do to x, and return what comes out."""
        for index, layer in enumerate(layers):
            ours = cast(Layer, layer)
            self.place = f"{prefix}{index}."
            name = NODES[type(layer).__name__](self, ours, x)
            change = ours.width_change
            width = None if x.columns is None or change is None else x.columns + change
            x = Value(name, ours.sizes.get("out", width))
        return x

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator, and return the name of what it gives."""
        name = self._new(operator)
        self.nodes.append(
            self.onnx.helper.make_node(operator, inputs, [name], name=name, **attributes)
        )
        return name

    def array(self, name: str, values: NDArray[Any]) -> str:
        """Add an array of the brick under its name, and return its whole name."""
        name = self._new(name)
        tensor = self.onnx.numpy_helper.from_array(np.asarray(values, order="C"), name)
        self.initializers.append(tensor)
        return name

    def number(self, name: str, value: ArrayLike) -> str:
        """Add one number of the network's dtype."""
        return self.array(name, np.array(value, self.dtype))

    def whole(self, name: str, value: ArrayLike) -> str:
        """Add whole numbers: indices."""
        return self.array(name, np.array(value, np.int64))

    def gate(self, name: str) -> str:
        """Add 1 / (1 + exp(-x)): ONNX Runtime's Sigmoid is 1.5e-8 for all x below -18."""
        exp = self.node("Exp", self.node("Neg", name))
        return self.node("Reciprocal", self.node("Add", exp, self.number("one", 1)))

    def name_output(self, name: str, output: str) -> None:
        """Call what comes out of the last node `output`."""
        if not self.nodes or self.nodes[-1].output[0] != name:
            self.node("Identity", name)
        self.nodes[-1].output[0] = output

    def _new(self, name: str) -> str:
        """Return a name that nothing has yet: "0.Mul", "0.Mul_2", ..."""
        name = self.place + name
        self._names[name] = count = self._names.get(name, 0) + 1
        return name if count == 1 else f"{name}_{count}"


def _operator(name: str, **attributes: Any) -> Callable[[Graph, Any, Value], str]:
    """Return what adds one operator that does what the brick does."""
    return lambda graph, layer, x: graph.node(name, x.name, **attributes)


def _affine(graph: Graph, layer: Any, x: Value) -> str:
    w, b = graph.array("weight", layer.w.T), graph.array("bias", layer.b)
    return graph.node("Gemm", x.name, w, b, transB=1)


def _batch_norm(graph: Graph, layer: Any, x: Value) -> str:
    """(x - mean)·scale + beta: BatchNormalization may subtract mean·scale, and then cancel."""
    deviation = np.sqrt(layer.running_var.astype(np.float64) + layer.eps)
    scale: Array = (layer.gamma / deviation).astype(graph.dtype)
    centred = graph.node("Sub", x.name, graph.array("running_mean", layer.running_mean))
    scaled = graph.node("Mul", centred, graph.array("scale", scale))
    return graph.node("Add", scaled, graph.array("bias", layer.beta))


def _elu(graph: Graph, layer: Any, x: Value) -> str:
    """max(x, 0) + alpha·(exp(min(x, 0)) - 1), exp(z) - 1 = 2t / (1 - t) with t = tanh(z / 2).

    Elu itself cancels near 0, and ONNX Runtime has none of float64.
    """
    zero, one = graph.number("zero", 0), graph.number("one", 1)
    half = graph.node("Mul", graph.node("Min", x.name, zero), graph.number("half", 0.5))
    t = graph.node("Tanh", half)
    above = graph.node("Mul", graph.number("two_alpha", 2 * layer.alpha), t)
    negative = graph.node("Div", above, graph.node("Sub", one, t))
    return graph.node("Add", graph.node("Max", x.name, zero), negative)


def _embedding(graph: Graph, layer: Any, x: Value) -> str:
    """Gather the codes' column, with them the vectors, and put these behind the other columns."""
    column = graph.node("Gather", x.name, graph.whole("column", layer.column), axis=1)
    codes = graph.node("Cast", column, to=graph.onnx.TensorProto.INT64)
    vectors = graph.node("Gather", graph.array("weight", layer.w), codes, axis=0)
    axis, parts = graph.whole("axis", [1]), []
    for first, last in ((0, layer.column), (layer.column + 1, x.columns)):
        if first != last:
            ends = graph.whole("first", [first]), graph.whole("last", [last or 2**63 - 1])
            parts.append(graph.node("Slice", x.name, *ends, axis))
    return graph.node("Concat", *parts, vectors, axis=1)


def _gelu(graph: Graph, layer: Any, x: Value) -> str:
    if layer.form == "tanh":  # (1 + tanh(u)) / 2 is sigmoid(2u), and does not cancel
        square = graph.node("Mul", x.name, x.name)
        cubic = graph.node("Mul", square, graph.number("cubic", 0.044715))
        rest = graph.node("Add", cubic, graph.number("one", 1))
        scaled = graph.node("Mul", x.name, graph.number("scale", np.sqrt(8 / np.pi)))
        return graph.node("Mul", x.name, graph.gate(graph.node("Mul", scaled, rest)))
    erf = graph.node("Erf", graph.node("Mul", x.name, graph.number("scale", np.sqrt(0.5))))
    weight = graph.node("Add", erf, graph.number("one", 1))
    return graph.node("Mul", graph.node("Mul", x.name, graph.number("half", 0.5)), weight)


def _layer_norm(graph: Graph, layer: Any, x: Value) -> str:
    """What our kernel does, with its rounding of the mean, which is what one sees far from 0."""
    rough = graph.node("ReduceMean", x.name, axes=[1])
    rest = graph.node("ReduceMean", graph.node("Sub", x.name, rough), axes=[1])
    centred = graph.node("Sub", x.name, graph.node("Add", rough, rest))
    variance = graph.node("ReduceMean", graph.node("Mul", centred, centred), axes=[1])
    deviation = graph.node("Sqrt", graph.node("Add", variance, graph.number("eps", layer.eps)))
    scaled = graph.node(
        "Mul", graph.node("Div", centred, deviation), graph.array("weight", layer.gamma)
    )
    return graph.node("Add", scaled, graph.array("bias", layer.beta))


def _leaky_relu(graph: Graph, layer: Any, x: Value) -> str:
    if graph.dtype == np.float32:
        return graph.node("LeakyRelu", x.name, alpha=layer.slope)
    zero = graph.number("zero", 0)  # ONNX Runtime has no LeakyRelu of float64
    below = graph.node("Mul", graph.node("Min", x.name, zero), graph.number("slope", layer.slope))
    return graph.node("Add", graph.node("Max", x.name, zero), below)


def _residual(graph: Graph, layer: Any, x: Value) -> str:
    place = graph.place
    out = graph.row(layer.block, x, place)
    graph.place = place
    return graph.node("Add", x.name, out.name)


def _sigmoid(graph: Graph, layer: Any, x: Value) -> str:
    return graph.gate(x.name)


def _silu(graph: Graph, layer: Any, x: Value) -> str:
    return graph.node("Mul", x.name, graph.gate(x.name))


def _softplus(graph: Graph, layer: Any, x: Value) -> str:
    """max(x, 0) + log(1 + e) with e = exp(-|x|), and what 1 + e has lost in rounding put back.

    Softplus itself loses small e, and ONNX Runtime has none of float64.
    """
    one = graph.number("one", 1)
    e = graph.node("Exp", graph.node("Neg", graph.node("Abs", x.name)))
    total = graph.node("Add", one, e)
    lost = graph.node("Sub", e, graph.node("Sub", total, one))
    log = graph.node("Add", graph.node("Log", total), graph.node("Div", lost, total))
    return graph.node("Add", graph.node("Max", x.name, graph.number("zero", 0)), log)


NODES: Mapping[str, Callable[[Graph, Any, Value], str]] = {
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
"""What adds the nodes of a brick, by its name, and returns the name of what comes out."""
