"""A Network as an ONNX model: rows in, outputs out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from handnn.exchange.copies import copy_of_ours
from handnn.exchange.onnx.bricks import NODES, add_bricks
from handnn.exchange.onnx.graph import Graph, Value, check_size, imported_onnx
from handnn.network import Network

if TYPE_CHECKING:
    from onnx import ModelProto


def network_to_onnx(network: Network) -> ModelProto:
    """Return an ONNX model of `network.predict`; see `to_onnx`."""
    copy = copy_of_ours(network, "to_onnx", "ONNX", NODES)
    onnx = imported_onnx()
    check_size([copy])
    n_in, n_out = copy.sizes.get("in"), copy.sizes.get("out")
    graph = Graph(onnx, copy.dtype)
    out = add_bricks(graph, copy.layers, Value("x", n_in))
    graph.name_output(out.name, "y")
    x, y = (
        onnx.helper.make_tensor_value_info(name, graph.tensor_type, ["N", columns])
        for name, columns in (("x", n_in or "I"), ("y", n_out or "O"))
    )
    return graph.finished([x], y, repr(copy), {})
