"""A path of the wrong type raises a TypeError that names function and argument."""

from __future__ import annotations

import os

import pytest

import handnn
from handnn import SGD, Ensemble, MSELoss, TableModel, Trainer, mlp, trace
from handnn.exchange import load_weights, to_onnx
from handnn.exchange.c import to_c

NETWORK = mlp([2, 1], rng=0)
X, Y = [[0, 0]] * 3, [1] * 3

FUNCTIONS = {
    "Network.save: path": NETWORK.save,
    "handnn.load: path": handnn.load,
    "Ensemble.save: path": Ensemble([NETWORK]).save,
    "Ensemble.load: path": Ensemble.load,
    "TableModel.load: path": TableModel.load,
    "Trainer.resume: path": Trainer.resume,
    "Trainer.fit: checkpoint": lambda path: Trainer(NETWORK, MSELoss(), SGD(0.1)).fit(
        X, Y, 1, 1, checkpoint=path
    ),
    "Trace.to_html: path": trace(NETWORK, X).to_html,
    "load_weights: path": lambda path: load_weights(NETWORK, path),
    "to_onnx: path": lambda path: to_onnx(NETWORK, path),
    "to_c: path": lambda path: to_c(NETWORK, path),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("kind", ["file descriptor", "float", "list", "bytes"])
def test_rejects_other_types_as_paths(name, kind, tmp_path):
    reading, writing = os.pipe()
    try:
        given = {
            "file descriptor": writing,
            "float": 2.5,
            "list": [str(tmp_path / "file")],
            "bytes": os.fsencode(tmp_path / "file"),
        }[kind]
        with pytest.raises(TypeError, match=f"^{name} must be a str or os.PathLike, but is "):
            FUNCTIONS[name](given)
        os.close(writing)
        assert not os.read(reading, 1)
    finally:
        os.close(reading)
    assert not list(tmp_path.iterdir())
