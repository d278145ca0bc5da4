"""Models of tables to ONNX: columns as they come, text too; networks; and the mean of answers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np

from handnn.exchange.copies import copy_of_ours
from handnn.exchange.onnx import (
    NODES,
    Graph,
    Value,
    check_size,
    finished_model,
    imported_onnx,
)
from handnn.exchange.table_row import TableRow
from handnn.network import Network
from handnn.tables import CategoryColumn, NumberColumn, TableModel

ML = "ai.onnx.ml"
"""The operators for text, which ONNX keeps apart."""

ML_OPSET = 2


def table_to_onnx(model: TableModel, target: str = "", gaps: Iterable[str] = ()) -> Any:
    """Return an `onnx.ModelProto` of what `model.predict` or `predict_proba` does with a table.

    Its inputs are "x" float64 (N, I) and "text" string (N, C), only those there are: in x first the
    numbers and then the categories whose labels are numbers, as they are, NaN in a gap; in text the
    categories of text, "" in a gap, or one of `gaps`. Its output "y" (N, O) are values or
    probabilities in the networks' dtype. Metadata "numbers", "categories" (labels by column) and
    "outputs" say in JSON what is what.

    target: what is predicted, for people. Raises what `handnn.to_onnx` raises.
    """
    row = TableRow(model, target)
    networks = [
        copy_of_ours(Network(row.answering(network)), "to_onnx", "ONNX", NODES)
        for network in model.networks
    ]
    onnx = imported_onnx()
    check_size(networks)
    graph = Graph(onnx, model.dtype)
    graph.place = "columns."
    x = Value(_columns(graph, row, {"", *gaps}), model.columns.n_in)
    answers = []
    for place, network in enumerate(networks):
        out = graph.row(network.layers, x, f"{place}.")
        graph.place = f"answer {place}."
        answers.append(_answer(graph, row, out.name))
    graph.place = "mean."
    graph.name_output(_mean(graph, answers), "y")
    proto_of, helper = onnx.TensorProto, onnx.helper
    inputs = []
    if row.numbers or row.codes:
        width = len(row.numbers) + len(row.codes)
        inputs.append(helper.make_tensor_value_info("x", proto_of.DOUBLE, ["N", width]))
    if row.texts:
        inputs.append(helper.make_tensor_value_info("text", proto_of.STRING, ["N", len(row.texts)]))
    kind = helper.np_dtype_to_tensor_dtype(model.dtype)
    output = helper.make_tensor_value_info("y", kind, ["N", len(row.outputs)])
    domains = {ML: ML_OPSET} if row.texts else {}
    proto = finished_model(graph, inputs, [output], repr(model), domains)
    labels = {name: list(column.labels) for name, column in row.categories.items()}
    told = {"numbers": list(row.numbers), "categories": labels, "outputs": row.outputs}
    helper.set_model_props(proto, {key: json.dumps(value) for key, value in told.items()})
    return proto


def _columns(graph: Graph, row: TableRow, gaps: set[str]) -> str:
    """Add what Columns.transform does, in float64 and rounded once, and return its name."""
    kind = graph.onnx.helper.np_dtype_to_tensor_dtype(graph.dtype)
    parts, axis = [], graph.whole("axis", [1])

    def part(name: str, first: int, last: int) -> str:
        ends = graph.whole("first", [first]), graph.whole("last", [last])
        return graph.node("Slice", name, *ends, axis)

    count = len(row.numbers)
    if count:
        x = part("x", 0, count)
        missing = graph.node("IsNaN", x)
        filled = graph.node("Where", missing, graph.array("median", row.settings("median")), x)
        bent = _bent(graph, row, filled, part)
        centred = graph.node("Sub", bent, graph.array("mean", row.settings("mean")))
        scaled = graph.node("Div", centred, graph.array("scale", row.settings("scale")))
        parts.append(graph.node("Cast", scaled, to=kind))
        if row.gaps:
            chosen = graph.node("Gather", missing, graph.whole("gaps", row.gaps), axis=1)
            parts.append(graph.node("Cast", chosen, to=kind))
    texts, codes = list(row.texts), list(row.codes)
    for name, category in row.categories.items():
        if name in row.texts:
            place = texts.index(name)
            code = _code_of_text(graph, category, part("text", place, place + 1), gaps)
        else:
            place = count + codes.index(name)
            code = _code_of_number(graph, category, part("x", place, place + 1))
        if not row.is_one_hot:
            parts.append(graph.node("Cast", code, to=kind))
        elif category.n_one_hot:
            rows = np.eye(category.n_codes, category.n_one_hot, dtype=graph.dtype)
            flat = graph.node("Squeeze", code, axis)
            parts.append(graph.node("Gather", graph.array("one_hot", rows), flat, axis=0))
    return graph.node("Concat", *parts, axis=1)


def _bent(graph: Graph, row: TableRow, x: str, part: Any) -> str:
    """Lead the numbers that have knots along straight lines through them, in float64."""
    if not any(number.knots for number in row.numbers.values()):
        return x
    parts = []
    for place, number in enumerate(row.numbers.values()):
        column = part(x, place, place + 1)
        parts.append(_interpolated(graph, number, column) if number.knots else column)
    return graph.node("Concat", *parts, axis=1)


def _interpolated(graph: Graph, number: NumberColumn, x: str) -> str:
    """slope·(x - knot) + level of the last knot that is not above x, x within the knots."""
    knots, levels = np.array(number.knots), np.array(number.levels)
    slopes = np.append(np.diff(levels) / np.diff(knots), 0)
    inside = graph.node("Max", x, graph.array("lowest", knots[:1]))
    inside = graph.node("Min", inside, graph.array("highest", knots[-1:]))
    is_above = graph.node("Less", inside, graph.array("knots", knots[1:]))
    ones = graph.node("Cast", graph.node("Not", is_above), to=graph.onnx.TensorProto.INT64)
    axis = graph.whole("axis", [1])
    at = graph.node("ReduceSum", ones, axis, keepdims=1)

    def of_knot(name: str, values: Any) -> str:
        return graph.node("Gather", graph.array(name, values), at, axis=0)

    passed = graph.node("Sub", inside, of_knot("knot", knots))
    risen = graph.node("Mul", of_knot("slope", slopes), passed)
    return graph.node("Add", risen, of_knot("level", levels))


def _code_of_text(graph: Graph, category: CategoryColumn, text: str, gaps: set[str]) -> str:
    """Return the name of the codes (N, 1), int64."""
    count = len(category.labels)
    codes = {label: code for code, label in enumerate(category.labels)}
    codes = {**dict.fromkeys(sorted(gaps), count), **codes}
    return graph.node(
        "LabelEncoder", text, domain=ML, keys_strings=list(codes),
        values_int64s=list(codes.values()), default_int64=count + 1,
    )  # fmt: skip


def _code_of_number(graph: Graph, category: CategoryColumn, x: str) -> str:
    """Return the name of the codes (N, 1), int64: the place of x, K for NaN, else K + 1."""
    count = len(category.labels)
    labels = np.array([float(label) for label in category.labels])
    is_it = graph.node("Equal", x, graph.array("labels", labels))
    hot = graph.node("Cast", is_it, to=graph.onnx.TensorProto.INT64)
    weights = graph.whole("codes", np.arange(count) - (count + 1))  # from K + 1 down to the place
    axis = graph.whole("axis", [1])
    found = graph.node("ReduceSum", graph.node("Mul", hot, weights), axis, keepdims=1)
    code = graph.node("Add", found, graph.whole("unseen", count + 1))
    return graph.node("Where", graph.node("IsNaN", x), graph.whole("missing", count), code)


def _answer(graph: Graph, row: TableRow, pre: str) -> str:
    """Add what makes an output an answer: the target's units, or probabilities of two classes."""
    target = row.model.target
    if target.task == "regression":  # in float64, and rounded once
        wide = graph.node("Cast", pre, to=graph.onnx.TensorProto.DOUBLE)
        scaled = graph.node("Mul", graph.array("scale", target.scale), wide)
        shifted = graph.node("Add", graph.array("mean", target.mean), scaled)
        kind = graph.onnx.helper.np_dtype_to_tensor_dtype(graph.dtype)
        return graph.node("Cast", shifted, to=kind)
    if target.task == "binary":
        no = graph.gate(graph.node("Neg", pre))
        return graph.node("Concat", no, graph.gate(pre), axis=1)
    return pre


def _mean(graph: Graph, answers: list[str]) -> str:
    """Add the mean, in float64 and rounded once: ONNX Runtime has no Mean of float64."""
    if len(answers) == 1:
        return answers[0]
    double = graph.onnx.TensorProto.DOUBLE
    wide = [graph.node("Cast", answer, to=double) for answer in answers]
    total = wide[0]
    for other in wide[1:]:
        total = graph.node("Add", total, other)
    mean = graph.node("Div", total, graph.array("count", np.array(len(answers), np.float64)))
    return graph.node("Cast", mean, to=graph.onnx.helper.np_dtype_to_tensor_dtype(graph.dtype))
