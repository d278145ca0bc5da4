# mypy: disable-error-code="import-not-found, import-untyped"
"""ONNX Runtime: the network as Gemm, Relu, Sigmoid and Gelu nodes."""

from __future__ import annotations

import numpy as np
import onnxruntime
from onnx import helper, numpy_helper

from benchmarks.problems import Array, Problem


def model(problem: Problem, rows: int) -> bytes:
    """Return the network as an ONNX model for inputs of `rows` rows."""
    nodes, initializers = [], []
    activation = problem.activation.capitalize()
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(problem.dtype))
    last = len(problem.sizes) - 2
    name = "x"
    for place, (w, b) in enumerate(problem.weights()):
        initializers += [numpy_helper.from_array(w, f"w{place}")]
        initializers += [numpy_helper.from_array(b, f"b{place}")]
        out = "out" if place == last else f"pre{place}"
        nodes.append(helper.make_node("Gemm", [name, f"w{place}", f"b{place}"], [out]))
        if place < last:
            nodes.append(helper.make_node(activation, [out], [f"out{place}"]))
        name = f"out{place}"
    graph = helper.make_graph(
        nodes,
        "mlp",
        [helper.make_tensor_value_info("x", kind, [rows, problem.sizes[0]])],
        [helper.make_tensor_value_info("out", kind, [rows, problem.sizes[-1]])],
        initializers,
    )
    opset = [helper.make_opsetid("", 20)]
    made = helper.make_model(graph, opset_imports=opset, ir_version=9)
    return bytes(made.SerializeToString())


class Predictor:
    """`session.run` with all graph optimizations."""

    def __init__(self, problem: Problem, rows: int, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = onnxruntime.InferenceSession(
            model(problem, rows), options, providers=["CPUExecutionProvider"]
        )
        self.inputs = {"x": problem.rows(rows)[0]}

    def run(self, repeats: int) -> None:
        """Predict `repeats` times."""
        run, outputs, inputs = self.session.run, ["out"], self.inputs
        for _ in range(repeats):
            run(outputs, inputs)

    def result(self) -> list[Array]:
        """Return the prediction."""
        return [np.asarray(self.session.run(["out"], self.inputs)[0])]


class BoundPredictor(Predictor):
    """The same session with preallocated input and output."""

    def __init__(self, problem: Problem, rows: int, threads: int) -> None:
        super().__init__(problem, rows, threads)
        self.binding = self.session.io_binding()
        self.binding.bind_cpu_input("x", self.inputs["x"])
        self.binding.bind_output("out")

    def run(self, repeats: int) -> None:
        """Predict `repeats` times."""
        run, binding = self.session.run_with_iobinding, self.binding
        for _ in range(repeats):
            run(binding)

    def result(self) -> list[Array]:
        """Return the prediction."""
        return [np.asarray(self.binding.copy_outputs_to_cpu()[0])]
