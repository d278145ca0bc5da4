"""to_onnx: a Network or a TableModel as an ONNX model, and its file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from handnn.exchange.estimators import Estimator, as_model
from handnn.exchange.onnx.network import network_to_onnx
from handnn.exchange.onnx.table import table_to_onnx
from handnn.network import Network
from handnn.storage import as_path, replace_file
from handnn.tables import TableModel

if TYPE_CHECKING:
    from onnx import ModelProto


def to_onnx(
    network: Network | TableModel | Estimator, path: str | os.PathLike[str] | None = None
) -> ModelProto:
    """Return an ONNX model that computes `network.predict`; write it to `path` if given.

    A Network becomes a model with the input "x" (N, I) and the output "y" (N, O), for any N, in the
    dtype of the network. Weights are named and shaped as PyTorch's: "0.weight" (O, I), "0.bias".

    A TableModel takes its table untransformed: "x" float64 holds the numbers, NaN where missing,
    then the categories with numeric labels; "text" holds the categories of text, "" where missing.
    The output "y" holds values or probabilities. A fitted `MLPRegressor` or `MLPClassifier` is
    exported as its `table_model()`. See `handnn.exchange.onnx.table.table_to_onnx`.

    The model has operator set 13. The codes of an Embedding are truncated to integers and not
    checked; some runtimes count negative codes from the end. The file is written atomically.

    Raises:
        TypeError: If a brick is not one of handnn's.
        ValueError: If the arrays have 2 GiB or more.
        OSError: If the file cannot be written; an existing file then remains.
        ImportError: If onnx is not installed.

    Examples:
        >>> model = handnn.to_onnx(handnn.mlp([3, 4, 1], rng=0))
        >>> [node.op_type for node in model.graph.node]
        ['Gemm', 'Relu', 'Gemm']
    """
    path = None if path is None else as_path(path, "to_onnx: path")
    model = _model(as_model(network))
    if path is not None:
        replace_file(path, model.SerializeToString())
    return model


def _model(network: Network | TableModel) -> ModelProto:
    if isinstance(network, TableModel):
        return table_to_onnx(network)
    return network_to_onnx(network)
