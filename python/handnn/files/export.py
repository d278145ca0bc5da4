"""Exports: a model without Python, in ONNX or C, with all that is done before and after it.

Both take rows of plain numbers: first the columns of numbers, in the order of the training table,
NaN where one is missing; then for each column of categories the place of the label among its
sorted labels, K for a missing one and K + 1 for one that training did not have, when there are K.
They give what `predict` gives, or the probabilities of the classes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handnn.exchange.c import Fill, Interpolate, Scale, Step, to_c
from handnn.exchange.copies import copy_of_ours
from handnn.exchange.onnx import IR_VERSION, NODES, OPSET, Graph, Value
from handnn.files.model import Notes, kinds_of
from handnn.files.text import TableError
from handnn.layers import Embedding, Sigmoid, Softmax
from handnn.network import Network
from handnn.tables import CategoryColumn, NumberColumn, TableModel


class Layout:
    """The row that an export takes, and how it becomes that of the networks.

    Raises TableError for a model that `handnn train` does not make: categories as one-hot columns.
    """

    def __init__(self, model: TableModel, notes: Notes) -> None:
        names = list(kinds_of(model))
        pairs = list(zip(names, model.columns.columns, strict=True))
        self.model, self.target = model, notes.target
        self.numbers = {n: c for n, c in pairs if isinstance(c, NumberColumn)}
        self.categories = {n: c for n, c in pairs if isinstance(c, CategoryColumn)}
        self.gaps = [k for k, c in enumerate(self.numbers.values()) if c.has_gaps]
        if self.categories and model.columns.categories != "embedding":
            raise TableError("only models that handnn train has made can be exported")

    @property
    def width(self) -> int:
        """How many numbers a row has."""
        return len(self.numbers) + len(self.categories)

    @property
    def outputs(self) -> list[str]:
        """What each of the numbers is that come out."""
        classes = self.model.target.classes
        if classes is None:
            return [self.target]
        return [f"p({label})" for label in classes.tolist()]

    def array(self, name: str, of_codes: float) -> Any:
        """Return a setting of each number, and `of_codes` for each column of codes."""
        of_numbers = [getattr(column, name) for column in self.numbers.values()]
        return np.array([*of_numbers, *[of_codes] * len(self.categories)], np.float64)

    def filling(self) -> NDArray[np.float64]:
        """Return where the median of each number lies on its lines, NaN for a column of codes."""
        medians = [
            float(np.interp(column.median, column.knots, column.levels))
            if column.knots
            else column.median
            for column in self.numbers.values()
        ]
        return np.array([*medians, *[np.nan] * len(self.categories)])

    def lines(self) -> Interpolate:
        """Return the lines through the quantiles of each number, none for a column of codes."""
        columns = list(self.numbers.values())
        none: list[tuple[float, ...]] = [()] * len(self.categories)
        return Interpolate([c.knots for c in columns] + none, [c.levels for c in columns] + none)

    def described(self) -> list[str]:
        """Say of each number of a row what it is."""
        lines = [f"x[{place}]  {name}" for place, name in enumerate(self.numbers)]
        for place, (name, column) in enumerate(self.categories.items(), len(self.numbers)):
            shown = ", ".join(f"{code} {label!s:.30}" for code, label in enumerate(column.labels))
            count = len(column.labels)
            lines.append(
                f"x[{place}]  {name}: {shown:.500}; {count} when missing, {count + 1} for others"
            )
        return lines + [f"y[{place}]  {name}" for place, name in enumerate(self.outputs)]

    def answering(self, network: Network) -> list[Any]:
        """Return the bricks of a network, and one more that makes logits probabilities."""
        task = self.model.target.task
        if task == "regression":
            return list(network.layers)
        return [*network.layers, Softmax() if task == "multiclass" else Sigmoid()]


def to_onnx(model: TableModel, notes: Notes) -> Any:
    """Return an `onnx.ModelProto`: "x" float64 (N, I) in, "y" (N, O) out.

    Its metadata say what the columns are. ImportError without onnx; else what `Layout` raises.
    """
    try:
        import onnx
    except ImportError:
        raise ImportError("export --to onnx needs onnx: pip install 'handnn[onnx]'") from None
    layout = Layout(model, notes)
    graph = Graph(onnx, model.dtype)
    graph.place = "columns."
    x = _onnx_columns(graph, layout)
    answers = []
    for place, network in enumerate(model.networks):
        bricks = Network(layout.answering(network))
        copy = copy_of_ours(bricks, "export", "ONNX", NODES)
        answers.append(graph.row(copy.layers, Value(x, model.columns.n_in), f"{place}."))
    graph.place = "answer."
    total = answers[0].name
    for answer in answers[1:]:  # ONNX Runtime has no Mean of float64
        total = graph.node("Add", total, answer.name)
    mean = graph.node("Div", total, graph.number("count", len(answers)))
    graph.name_output(_onnx_answer(graph, layout, mean), "y")
    helper = onnx.helper
    ends = [
        helper.make_tensor_value_info("x", onnx.TensorProto.DOUBLE, ["N", layout.width]),
        helper.make_tensor_value_info(
            "y", helper.np_dtype_to_tensor_dtype(model.dtype), ["N", len(layout.outputs)]
        ),
    ]
    made = helper.make_graph(graph.nodes, "handnn", ends[:1], ends[1:], graph.initializers)
    proto = helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="handnn",
        doc_string="\n".join(layout.described()),
    )
    labels = {name: list(column.labels) for name, column in layout.categories.items()}
    helper.set_model_props(
        proto,
        {
            "numbers": json.dumps(list(layout.numbers)),
            "categories": json.dumps(labels),
            "outputs": json.dumps(layout.outputs),
        },
    )
    return proto


def _onnx_columns(graph: Graph, layout: Layout) -> str:
    """Add what Columns.transform does, in float64 and rounded once, and return its name."""
    count, columns = len(layout.numbers), []
    helper = graph.onnx.helper
    kind = helper.np_dtype_to_tensor_dtype(graph.dtype)
    axis = graph.whole("axis", [1])

    def part(first: int, last: int) -> str:
        ends = graph.whole("first", [first]), graph.whole("last", [last])
        return graph.node("Slice", "x", *ends, axis)

    if count:
        x = part(0, count)
        gaps = graph.node("IsNaN", x)
        filled = graph.node("Where", gaps, _doubles(graph, layout, "median"), x)
        filled = _onnx_lines(graph, layout, filled)
        centred = graph.node("Sub", filled, _doubles(graph, layout, "mean"))
        scaled = graph.node("Div", centred, _doubles(graph, layout, "scale"))
        columns.append(graph.node("Cast", scaled, to=kind))
        if layout.gaps:
            chosen = graph.node("Gather", gaps, graph.whole("gaps", layout.gaps), axis=1)
            columns.append(graph.node("Cast", chosen, to=kind))
    if layout.categories:
        columns.append(graph.node("Cast", part(count, layout.width), to=kind))
    return graph.node("Concat", *columns, axis=1)


def _onnx_lines(graph: Graph, layout: Layout, x: str) -> str:
    """Add the lines through quantiles: of every piece, slope times how far x is into it, summed."""
    columns, axis = [], graph.whole("axis", [1])
    if not any(column.knots for column in layout.numbers.values()):
        return x
    for place, column in enumerate(layout.numbers.values()):
        ends = graph.whole("first", [place]), graph.whole("last", [place + 1])
        values = graph.node("Slice", x, *ends, axis)
        if column.knots:
            knots, levels = np.array(column.knots), np.array(column.levels)
            if len(knots) == 1:
                knots, levels = np.append(knots, knots + 1), np.append(levels, levels)
            widths, rises = np.diff(knots)[None], np.diff(levels)
            into = graph.node("Sub", values, graph.array("knots", knots[None, :-1]))
            into = graph.node("Max", into, graph.array("zero", np.zeros(())))
            into = graph.node("Min", into, graph.array("widths", widths))
            slopes = graph.array("slopes", rises[:, None] / widths.T)
            risen = graph.node("MatMul", into, slopes)
            values = graph.node("Add", risen, graph.array("level", levels[:1]))
        columns.append(values)
    return graph.node("Concat", *columns, axis=1)


def _doubles(graph: Graph, layout: Layout, name: str) -> str:
    return graph.array(name, layout.array(name, 0)[: len(layout.numbers)])


def _onnx_answer(graph: Graph, layout: Layout, mean: str) -> str:
    """Add what makes outputs an answer: the target's units, or probabilities of two classes."""
    target = layout.model.target
    if target.task == "regression":
        scaled = graph.node("Mul", mean, graph.number("scale", target.scale))
        return graph.node("Add", scaled, graph.number("mean", target.mean))
    if target.task == "binary":
        return graph.node("Concat", graph.node("Sub", graph.number("one", 1), mean), mean, axis=1)
    return graph.node("Identity", mean)


def to_header(model: TableModel, notes: Notes, name: str = "model") -> str:
    """Return a header in C99 with ``void model_predict(const real *x, real *y)``.

    real is float, or double for a float64 model; all is computed in it, so that the last digits may
    differ from `predict`'s. See `handnn.to_c` for what each network's part of it has.
    """
    layout = Layout(model, notes)
    steps: list[Step] = [
        layout.lines(),
        Fill(layout.filling(), layout.gaps),
        Scale(
            np.append(layout.array("mean", 0), np.zeros(len(layout.gaps))),
            np.append(layout.array("scale", 1), np.ones(len(layout.gaps))),
        ),
    ]
    target = model.target
    is_regression = target.task == "regression"
    parts = [
        to_c(
            Network(_codes_first(layout, network)),
            name=f"{name}_{place}",
            steps=steps,
            scale_out=(target.mean, target.scale) if is_regression else None,
        )
        for place, network in enumerate(model.networks)
    ]
    real = "float" if model.dtype == np.float32 else "double"
    guard = f"{name.upper()}_PREDICT_H"
    told = "\n".join(f"   {_in_comment(line)}" for line in layout.described())
    return (
        f"/* Predicts {_in_comment(notes.target)}: the mean of {len(parts)} networks.\n\n"
        f"   void {name}_predict(const {real} *x, {real} *y)\n\n{told}\n\n"
        f"   A number that is missing is NAN. */\n#ifndef {guard}\n#define {guard}\n\n"
        + "\n".join(parts)
        + _wrapper(layout, name, real, len(parts))
        + f"\n#endif /* {guard} */\n"
    )


def _codes_first(layout: Layout, network: Network) -> Iterable[Any]:
    """Return the bricks of a network that takes [numbers, codes, indicators] of `Fill`.

    `Columns` has the codes last; each Embedding takes its column out, so that the next one's is in
    its place, and what lies behind them is the same.
    """
    for layer in layout.answering(network):
        if isinstance(layer, Embedding):
            yield Embedding(layer.w, column=len(layout.numbers))
        elif not layer.params and not getattr(layer, "buffers", {}):
            yield type(layer)(**layer.settings)
        else:
            yield type(layer)(**layer.params, **layer.settings)


def _wrapper(layout: Layout, name: str, real: str, count: int) -> str:
    """Return the function that averages the networks."""
    width = 1 if layout.model.target.task == "binary" else len(layout.outputs)
    calls = "".join(
        f"  {name}_{place}_predict(x, one);\n"
        f"  for (k = 0; k < {width}; ++k) sum[k] += (double)one[k];\n"
        for place in range(count)
    )
    last = f"  for (k = 0; k < {width}; ++k) y[k] = ({real})(sum[k] / {count});\n"
    if layout.model.target.task == "binary":
        last = f"  y[1] = ({real})(sum[0] / {count});\n  y[0] = ({real})1 - y[1];\n"
    return (
        f"\n#define {name.upper()}_INPUTS {layout.width}\n"
        f"#define {name.upper()}_OUTPUTS {len(layout.outputs)}\n\n"
        f"static inline void {name}_predict(const {real} *x, {real} *y) {{\n"
        f"  {real} one[{width}];\n  double sum[{width}] = {{0}};\n  int k;\n{calls}{last}}}\n"
    )


def to_program(model: TableModel, notes: Notes, name: str = "model") -> str:
    """Return a program in C99 that reads rows of numbers, one a line, and prints the answers.

    Numbers are divided by commas or spaces, nan where one is missing. It ends with 1 at a line that
    is no such row. ``cc -std=c99 -O2 model.c -lm -o model && ./model < rows.csv``
    """
    upper = name.upper()
    real = "float" if model.dtype == np.float32 else "double"
    digits = 9 if model.dtype == np.float32 else 17
    places = range(len(model.networks))
    no_tests = "".join(f"#define {upper}_{place}_NO_TESTS\n" for place in places)
    return f"""{no_tests}{to_header(model, notes, name)}
#include <stdio.h>
#include <stdlib.h>

int main(void) {{
  static char line[65536];
  static {real} x[{upper}_INPUTS], y[{upper}_OUTPUTS];
  long number = 0;
  while (fgets(line, sizeof line, stdin)) {{
    char *at = line, *end;
    int k;
    ++number;
    for (k = 0; k < {upper}_INPUTS; ++k, at = end) {{
      while (*at == ' ' || *at == ',' || *at == '\\t') ++at;
      x[k] = ({real})strtod(at, &end);
      if (end == at) {{
        fprintf(stderr, "line %ld has no number %d of %d\\n", number, k + 1, {upper}_INPUTS);
        return 1;
      }}
    }}
    while (*at == ' ' || *at == ',' || *at == '\\t' || *at == '\\r' || *at == '\\n') ++at;
    if (*at) {{
      fprintf(stderr, "line %ld has more than %d numbers\\n", number, {upper}_INPUTS);
      return 1;
    }}
    {name}_predict(x, y);
    for (k = 0; k < {upper}_OUTPUTS; ++k) printf(k ? ",%.{digits}g" : "%.{digits}g", (double)y[k]);
    printf("\\n");
  }}
  return 0;
}}
"""


def _in_comment(text: str) -> str:
    """Return text that may stand within a comment of C, in ASCII."""
    plain = text.replace("*/", "* /").replace("/*", "/ *").replace("\n", " ")
    return plain.encode("ascii", "replace").decode()
