"""Files of a network: weights, ONNX and a C header."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path

from handnn.exchange import to_c, to_onnx
from handnn.network import Network
from handnn.play.session import Session
from handnn.tables import TableModel

FORMATS = ("safetensors", "c", *(["onnx"] if importlib.util.find_spec("onnx") else []))
"""The formats that this installation can write."""


def download(session: Session, form: str) -> tuple[str, bytes]:
    """Return the name and the content of a file; ValueError for an unknown format.

    The weights are those of the network. ONNX and C models of a table accept its unscaled rows, if
    the loss is that of the estimators.
    """
    if form not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, but is {form!r:.40}")
    if form == "safetensors":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.safetensors"
            session.network.save(path)
            return path.name, path.read_bytes()
    model = _model(session)
    if form == "c":
        return "model.h", to_c(model).encode("ascii")
    return "model.onnx", bytes(to_onnx(model).SerializeToString())


def _model(session: Session) -> Network | TableModel:
    """Return the network, as a TableModel if it was trained on a table."""
    rows = session.rows
    if rows.columns is not None and type(session.loss) is type(rows.target.loss()):
        copied = session.network.astype(session.network.dtype)
        return TableModel([copied], rows.columns, rows.target)
    return session.network
