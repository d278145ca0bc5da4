"""An ONNX graph while it is built: its nodes, its arrays, and the names of both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handnn.network import Network

if TYPE_CHECKING:
    from types import ModuleType

    from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

OPSET = 13
"""The operator set: the oldest that has all operators used here, to support old runtimes."""

IR_VERSION = 7
"""The version of the file format: that of the first ONNX release with this operator set."""

MAX_BYTES = 2**31 - 2**20
"""The largest size of all arrays: a model is one protobuf message, which must stay below 2 GiB."""


class Value(NamedTuple):
    """An array that flows through the graph: its name, and its number of columns if known."""

    name: str
    columns: int | None = None


class Graph:
    """The nodes and initializers of a graph. New names begin with `place`."""

    def __init__(self, onnx: ModuleType, dtype: np.dtype[np.floating]) -> None:
        self.onnx = onnx
        self.dtype = dtype
        self.place = ""
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []
        self._names: dict[str, int] = {}

    @property
    def tensor_type(self) -> int:
        """ONNX's number for the dtype of the network."""
        found: int = self.onnx.helper.np_dtype_to_tensor_dtype(self.dtype)
        return found

    def node(self, operator: str, *inputs: str, **attributes: object) -> str:
        """Add an operator and return the name of its output."""
        name = self._new(operator)
        self.nodes.append(
            self.onnx.helper.make_node(operator, inputs, [name], name=name, **attributes)
        )
        return name

    def array(self, name: str, values: NDArray[np.generic]) -> str:
        """Add an array and return its full name."""
        name = self._new(name)
        tensor = self.onnx.numpy_helper.from_array(np.asarray(values, order="C"), name)
        self.initializers.append(tensor)
        return name

    def number(self, name: str, value: ArrayLike) -> str:
        """Add a number in the dtype of the network."""
        return self.array(name, np.array(value, self.dtype))

    def whole(self, name: str, value: ArrayLike) -> str:
        """Add int64 numbers: indices."""
        return self.array(name, np.array(value, np.int64))

    def columns(self, x: str, first: int, last: int) -> str:
        """Slice the columns from `first` up to `last`, which is not included."""
        ends = self.whole("first", [first]), self.whole("last", [last])
        return self.node("Slice", x, *ends, self.whole("axis", [1]))

    def joined(self, parts: list[str]) -> str:
        """Concatenate columns."""
        return parts[0] if len(parts) == 1 else self.node("Concat", *parts, axis=1)

    def gate(self, x: str) -> str:
        """Add 1 / (1 + exp(-x)). ONNX Runtime's own Sigmoid returns 1.5e-8 for all x below -18."""
        exp = self.node("Exp", self.node("Neg", x))
        return self.node("Reciprocal", self.node("Add", exp, self.number("one", 1)))

    def name_output(self, name: str, output: str) -> None:
        """Rename the output `name` of the last node, or of an Identity of it, to `output`."""
        if not self.nodes or self.nodes[-1].output[0] != name:
            self.node("Identity", name)
        self.nodes[-1].output[0] = output

    def finished(
        self,
        inputs: list[ValueInfoProto],
        output: ValueInfoProto,
        description: str,
        domains: Mapping[str, int],
    ) -> ModelProto:
        """Return the model. domains: the versions of other operator sets."""
        from importlib.metadata import version

        helper = self.onnx.helper
        graph = helper.make_graph(self.nodes, "handnn", inputs, [output], self.initializers)
        model: ModelProto = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid(*item) for item in [("", OPSET), *domains.items()]],
            ir_version=IR_VERSION,
            producer_name="handnn",
            producer_version=version("handnn"),
            doc_string=description,
        )
        return model

    def _new(self, name: str) -> str:
        """Return an unused name: "0.Mul", "0.Mul_2", ..."""
        name = self.place + name
        self._names[name] = count = self._names.get(name, 0) + 1
        return name if count == 1 else f"{name}_{count}"


def imported_onnx() -> Any:
    """Return the module onnx; raise ImportError with the command that installs it."""
    try:
        import onnx
    except ImportError:
        raise ImportError("to_onnx needs onnx: pip install onnx") from None
    return onnx


def check_size(networks: Iterable[Network]) -> None:
    """Raise ValueError if the params are too large for one model."""
    size = sum(array.nbytes for network in networks for array in network.params.values())
    if size > MAX_BYTES:
        raise ValueError(f"to_onnx: the params have {size:,} bytes, more than {MAX_BYTES:,}")
