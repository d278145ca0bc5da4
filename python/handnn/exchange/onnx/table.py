"""A TableModel as an ONNX model: preprocessing, networks, and the mean of their predictions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from handnn.exchange.copies import copy_of_ours
from handnn.exchange.input_row import InputRow, input_gaps
from handnn.exchange.onnx.bricks import NODES, add_bricks
from handnn.exchange.onnx.columns import ML, ML_OPSET, add_columns
from handnn.exchange.onnx.graph import Graph, Value, check_size, imported_onnx
from handnn.network import Network
from handnn.tables import TableModel

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto


def table_to_onnx(
    model: TableModel, target: str | Sequence[str] = "", gaps: Iterable[str] = ()
) -> ModelProto:
    """Return an ONNX model of `model.predict`, or of `predict_proba` for classes.

    Its inputs are "x" float64 (N, I) and "text" string (N, C), each only if it has columns. x holds
    the numbers, then the categories with numeric labels, NaN where missing; text holds the
    categories of text, "" or one of `gaps` where missing. Its output "y" (N, O) holds values in
    float64, or probabilities in the dtype of the networks. The metadata entries "numbers",
    "categories" (labels by column) and "outputs" name the columns in JSON.

    target: the name or names of the target, for the description. Raises what `handnn.to_onnx`
    raises.
    """
    row = InputRow(model, target)
    networks = [
        copy_of_ours(Network(row.bricks(network)), "to_onnx", "ONNX", NODES)
        for network in model.networks
    ]
    onnx = imported_onnx()
    check_size(networks)
    graph = Graph(onnx, model.dtype)
    graph.place = "columns."
    x = Value(add_columns(graph, row, input_gaps(model, gaps)), model.columns.n_in)
    answers = []
    for place, network in enumerate(networks):
        out = add_bricks(graph, network.layers, x, f"{place}.")
        graph.place = f"answer {place}."
        answers.append(_answer(graph, row, out.name))
    graph.place = "mean."
    is_regression = model.target.task == "regression"
    kind = onnx.TensorProto.DOUBLE if is_regression else graph.tensor_type
    graph.name_output(_mean(graph, answers, kind), "y")
    output = onnx.helper.make_tensor_value_info("y", kind, ["N", len(row.outputs)])
    domains = {ML: ML_OPSET} if row.texts else {}
    proto = graph.finished(_inputs(graph, row), output, repr(model), domains)
    names = {
        "numbers": [column.name for column in row.plain],
        "categories": {column.name: list(column.labels) for column in row.encoded},
        "outputs": row.outputs,
    }
    onnx.helper.set_model_props(proto, {key: json.dumps(value) for key, value in names.items()})
    return proto


def _inputs(graph: Graph, row: InputRow) -> list[ValueInfoProto]:
    """Return the inputs that have columns."""
    proto = graph.onnx.TensorProto
    return [
        graph.onnx.helper.make_tensor_value_info(name, kind, ["N", len(columns)])
        for name, kind, columns in (
            ("x", proto.DOUBLE, row.numbers),
            ("text", proto.STRING, row.texts),
        )
        if columns
    ]


def _answer(graph: Graph, row: InputRow, pre: str) -> str:
    """Add the nodes from output to prediction: values, or the probabilities of two classes."""
    target = row.model.target
    if target.task == "regression":  # in float64, as `Target.decode` computes
        wide = graph.node("Cast", pre, to=graph.onnx.TensorProto.DOUBLE)
        if target.is_exp:
            wide = graph.node("Exp", wide)
        scaled = graph.node("Mul", graph.array("scale", target.scale), wide)
        return graph.node("Add", graph.array("mean", target.mean), scaled)
    if target.task == "binary":
        no = graph.gate(graph.node("Neg", pre))
        return graph.node("Concat", no, graph.gate(pre), axis=1)
    return pre


def _mean(graph: Graph, answers: list[str], kind: int) -> str:
    """Add the mean in float64 as type `kind`. ONNX Runtime does not implement Mean in float64."""
    if len(answers) == 1:
        return answers[0]
    double = graph.onnx.TensorProto.DOUBLE
    wide = [graph.node("Cast", answer, to=double) for answer in answers]
    total = wide[0]
    for other in wide[1:]:
        total = graph.node("Add", total, other)
    mean = graph.node("Div", total, graph.array("count", np.array(len(answers), np.float64)))
    return graph.node("Cast", mean, to=kind)
