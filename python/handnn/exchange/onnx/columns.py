"""The preprocessing of a table as the nodes of an ONNX graph: one function for each type of step.

Neighboring columns with the same types of steps form a block, and each step is added once for the
whole block. The arithmetic is float64 and rounded once, as in `Columns.transform`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from handnn.exchange.input_row import InputColumn, InputRow, as_floats
from handnn.exchange.onnx.graph import Graph
from handnn.tables.cells import BOOLS, is_number, label_codes
from handnn.tables.steps import (
    AddBins,
    AddCycles,
    ColumnStep,
    Impute,
    OneHotEncode,
    OrdinalEncode,
    PiecewiseLinear,
    Standardize,
)

ML = "ai.onnx.ml"
"""The domain of the operators for text."""

ML_OPSET = 2


def add_columns(graph: Graph, row: InputRow, gaps: Collection[str]) -> str:
    """Add the preprocessing of "x" and "text" and return the name of the networks' input.

    gaps: the strings that mark a missing value.
    """
    block = Block(graph, gaps)
    plain: list[str] = []
    encoded: list[str] = []
    first = {"x": 0, "text": 0}
    for (source, _), group in groupby(row.columns, _signature):
        columns = list(group)
        last = first[source] + len(columns)
        x = graph.columns(source, first[source], last)
        first[source] = last
        for steps in zip(*(column.steps for column in columns), strict=True):
            x = ADD[type(steps[0])](block, steps, x)
        into = encoded if columns[0].encode else plain
        into.append(graph.node("Cast", x, to=graph.tensor_type))
    return graph.node("Concat", *plain, *block.indicators, *block.more, *encoded, axis=1)


def spellings(text: str) -> list[str]:
    """Return the common spellings of a category text: "1" and "1.0", "true" and "True"."""
    if text in BOOLS:
        return [word for word, meaning in BOOLS.items() if meaning == text]
    is_whole = text.removeprefix("-").isdecimal() and is_number(text)
    return [text, f"{text}.0"] if is_whole else [text]


def _signature(column: InputColumn) -> tuple[str, tuple[type[ColumnStep], ...]]:
    """Return the input a column comes from, and the types of its steps."""
    return "text" if column.is_text else "x", tuple(map(type, column.steps))


class Block:
    """The graph, the strings that mark a missing value, and the inputs added so far.

    indicators: those of missing values. more: cycles and bins.
    """

    def __init__(self, graph: Graph, gaps: Collection[str]) -> None:
        self.graph = graph
        self.gaps = sorted(gaps)
        self.indicators: list[str] = []
        self.more: list[str] = []

    def each(self, add: Callable[[Any, str], str], steps: Sequence[ColumnStep], x: str) -> str:
        """Add a step for each column, and concatenate the results."""
        if len(steps) == 1:
            return add(steps[0], x)
        parts = [
            add(step, self.graph.columns(x, place, place + 1)) for place, step in enumerate(steps)
        ]
        return self.graph.joined(parts)


def _impute(block: Block, steps: Sequence[Impute], x: str) -> str:
    graph = block.graph
    missing = graph.node("IsNaN", x)
    medians = graph.array("median", np.array([step.median for step in steps]))
    places = [place for place, step in enumerate(steps) if step.has_indicator]
    if places:
        chosen = graph.node("Gather", missing, graph.whole("gaps", places), axis=1)
        block.indicators.append(graph.node("Cast", chosen, to=graph.tensor_type))
    return graph.node("Where", missing, medians, x)


def _add_cycles(block: Block, steps: Sequence[AddCycles], x: str) -> str:
    graph = block.graph
    for place, step in enumerate(steps):
        days = graph.columns(x, place, place + 1)
        turns = graph.node("Div", days, graph.array("periods", np.repeat(step.periods, 2)))
        shift = graph.array("shifts", np.tile([0, 0.25], len(step.periods)))
        turns = graph.node("Add", graph.node("Sub", turns, graph.node("Floor", turns)), shift)
        angle = graph.node("Mul", turns, graph.array("turn", np.array([2 * np.pi])))
        block.more.append(graph.node("Cast", graph.node("Sin", angle), to=graph.tensor_type))
    return x


def _add_bins(block: Block, steps: Sequence[AddBins], x: str) -> str:
    graph = block.graph
    for place, step in enumerate(steps):
        low, high = np.array(step.edges[:-1]), np.array(step.edges[1:])
        above = graph.node("Sub", graph.columns(x, place, place + 1), graph.array("low", low))
        share = graph.node("Div", above, graph.array("width", high - low))
        for operator, end in (("Max", 0.0), ("Min", 1.0)):
            share = graph.node(operator, share, graph.array("end", np.array([end])))
        centered = graph.node("Sub", share, graph.array("half", np.array([0.5])))
        block.more.append(graph.node("Cast", centered, to=graph.tensor_type))
    return x


def _piecewise_linear(block: Block, steps: Sequence[PiecewiseLinear], x: str) -> str:
    graph = block.graph

    def add(step: PiecewiseLinear, column: str) -> str:
        """slope·(x - knot) + level of the last knot up to x, with x clipped to the knots."""
        knots, levels = np.array(step.knots), np.array(step.levels)
        slopes = np.append(np.diff(levels) / np.diff(knots), 0)
        inside = graph.node("Max", column, graph.array("lowest", knots[:1]))
        inside = graph.node("Min", inside, graph.array("highest", knots[-1:]))
        is_above = graph.node("Less", inside, graph.array("knots", knots[1:]))
        ones = graph.node("Cast", graph.node("Not", is_above), to=graph.onnx.TensorProto.INT64)
        at = graph.node("ReduceSum", ones, graph.whole("axis", [1]), keepdims=1)
        knot, slope, level = (
            graph.node("Gather", graph.array(name, values), at, axis=0)
            for name, values in (("knot", knots), ("slope", slopes), ("level", levels))
        )
        risen = graph.node("Mul", slope, graph.node("Sub", inside, knot))
        return graph.node("Add", risen, level)

    return block.each(add, steps, x)


def _standardize(block: Block, steps: Sequence[Standardize], x: str) -> str:
    graph = block.graph
    mean = graph.array("mean", np.array([step.mean for step in steps]))
    scale = graph.array("scale", np.array([step.scale for step in steps]))
    return graph.node("Div", graph.node("Sub", x, mean), scale)


def _ordinal_encode(block: Block, steps: Sequence[OrdinalEncode], x: str) -> str:
    """Add the codes, int64."""
    graph = block.graph

    def of_text(step: OrdinalEncode, column: str) -> str:
        n_labels = len(step.labels)
        texts = label_codes(step.labels)
        codes = {word: code for text, code in texts.items() for word in spellings(text)}
        written = {text: code for code, text in enumerate(step.written)}
        gaps = dict.fromkeys(block.gaps, n_labels)
        codes = {**gaps, **codes, **written}  # a gap word may also be a label
        return graph.node(
            "LabelEncoder", column, domain=ML, keys_strings=list(codes),
            values_int64s=list(codes.values()), default_int64=n_labels + 1,
        )  # fmt: skip

    def of_numbers(step: OrdinalEncode, column: str) -> str:
        n_labels = len(step.labels)
        is_label = graph.node(
            "Equal", column, graph.array("labels", np.array(as_floats(step.labels)))
        )
        hot = graph.node("Cast", is_label, to=graph.onnx.TensorProto.INT64)
        # A row of zeros keeps the code of an unseen label, K + 1; a 1 lowers it to the label's
        # index.
        weights = graph.whole("codes", np.arange(n_labels) - (n_labels + 1))
        weighted = graph.node("Mul", hot, weights)
        found = graph.node("ReduceSum", weighted, graph.whole("axis", [1]), keepdims=1)
        code = graph.node("Add", found, graph.whole("unseen", n_labels + 1))
        missing = graph.node("IsNaN", column)
        return graph.node("Where", missing, graph.whole("missing", n_labels), code)

    return block.each(of_text if steps[0].is_text else of_numbers, steps, x)


def _one_hot_encode(block: Block, steps: Sequence[OneHotEncode], x: str) -> str:
    graph = block.graph

    def add(step: OneHotEncode, codes: str) -> str:
        return graph.node("Equal", codes, graph.whole("codes", np.arange(step.n_columns)))

    return block.each(add, steps, x)


ADD: Mapping[type[ColumnStep], Callable[[Block, Any, str], str]] = {
    AddBins: _add_bins,
    AddCycles: _add_cycles,
    Impute: _impute,
    OneHotEncode: _one_hot_encode,
    OrdinalEncode: _ordinal_encode,
    PiecewiseLinear: _piecewise_linear,
    Standardize: _standardize,
}
"""The function that adds each type of step to a block, (N, G) to (N, G'), given the steps."""
